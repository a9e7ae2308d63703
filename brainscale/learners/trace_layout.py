"""By what the traces of a learner are laid out, and whether a step's still are."""

from __future__ import annotations

from typing import NamedTuple

from ..engine.reach import Reach
from ..errors import StructureError

__all__ = ["TraceLayout"]

_MEND = (
    "as a state, an attribute or what brainstate.environ says (fit, t, ...) is another: call it "
    "again, in the environment of the steps"
)


class TraceLayout(NamedTuple):
    """The hidden groups and the neurons that traces are of.

    Traces that go forward with the states themselves are laid out by nothing else.
    """

    groups: list[tuple[str, ...]] = []  # noqa: RUF012
    """The names of the states of each group."""
    reach: dict[str, list[Reach]] = {}  # noqa: RUF012
    """By the name of each parameter with a trace."""

    def check(self, now: TraceLayout) -> None:
        """Refuse to go on with traces of this layout in a step of another.

        Raises
        ------
        StructureError
        """
        if now.groups != self.groups:
            raise StructureError(
                f"the hidden groups of a step are {now.groups}, and were {self.groups} at "
                f"compile_graph, {_MEND}",
                got=now.groups,
                needs=self.groups,
            )
        for name in now.reach.keys() & self.reach.keys():
            mine, others = self.reach[name], now.reach[name]
            both = zip(mine, others, strict=False)
            if len(mine) != len(others) or not all(a.has_copies_like(b) for a, b in both):
                raise StructureError(
                    f"{name} enters other neurons in a step than at compile_graph, and its trace "
                    f"is by those, {_MEND}; or learn steps of several kinds by RTRL"
                )
