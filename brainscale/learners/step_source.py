"""What the structure of a step is found from."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

import brainstate

from ..checks.requests import needs_fitting, needs_initialised
from ..engine.inputs import shapes_of
from ..engine.keys import id_of
from ..errors import StructureError
from ..parameters import ETraceParam
from .compilation import find_hidden, read_shapes

__all__ = ["StepSource"]


class StepSource(NamedTuple):
    """What a step is traced from."""

    function: Callable[..., Any]
    args: tuple[Any, ...]
    """Its arguments, or their likes."""
    model: brainstate.nn.Module
    name_of: Callable[[Any], str]
    """From a state to its name."""

    @contextlib.contextmanager
    def trace_first(self) -> Iterator[None]:
        """Trace the step for the first time: say what it lacks, and what does not fit in it.

        Raises
        ------
        StructureError, ShapeError
            As of `needs_initialised` and `needs_fitting`.
        """

        def read() -> tuple[Any, Any]:
            return shapes_of(self.args), read_shapes(find_hidden(self.model))

        with needs_initialised(), needs_fitting(self.model, self.args, read):
            yield

    def find_params(self) -> list[ETraceParam]:
        """Find the model's parameters with traces."""
        return list(self.model.states(ETraceParam).values())

    def check_states(self, params: Iterable[brainstate.State]) -> None:
        """Refuse parameters that are not the model's: none would ask for their gradients.

        Raises
        ------
        StructureError
        """
        states = {id_of(state) for state in self.model.states().values()}
        for param in params:
            if id_of(param) not in states:
                raise StructureError(
                    f"a step uses {self.name_of(param)}, which is no state of the model: make it "
                    "an attribute of the model, or of a module in it",
                    got=param,
                )
