"""What a learner was compiled for, and whether a step is still of it."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from typing import Any

import brainstate
import jax

from ..engine.inputs import shapes_of
from ..errors import ShapeError
from .composition import join_path

__all__ = ["Compilation", "NamedStates", "find_hidden", "read_shapes"]

NamedStates = Iterable[tuple[str, brainstate.State]]
"""Hidden states with their names."""


# Copies of a learner share it; two of them are the same only if they are one object.
@dataclasses.dataclass(frozen=True, eq=False)
class Compilation:
    """The inputs and the hidden states that a learner was compiled for.

    Attributes
    ----------
    example : tuple of trees of jax.ShapeDtypeStruct
        The arguments of a step, without numbers.
    inputs : tuple of trees
        Their shapes, dtypes and units, as `shapes_of` has them.
    hidden : dict from the names of hidden states
        Those of their values.
    """

    example: tuple[Any, ...]
    inputs: Any
    hidden: dict[str, Any]

    @classmethod
    def of(cls, args: tuple[Any, ...], hidden: NamedStates) -> Compilation:
        """Make the record of these arguments of a step and of what hidden states hold now."""
        return cls(jax.eval_shape(lambda: args), shapes_of(args), read_shapes(hidden))

    def check_inputs(self, args: tuple[Any, ...]) -> None:
        """Refuse arguments of other shapes, dtypes or units.

        Raises
        ------
        ShapeError
        """
        got = shapes_of(args)
        if got != self.inputs:
            raise ShapeError(
                f"an input of shape {got} to a learner compiled for {self.inputs}: call "
                "compile_graph again",
                got=got,
                needs=self.inputs,
            )

    def check_hidden(self, hidden: NamedStates) -> None:
        """Refuse hidden states of other shapes, dtypes or units, or of other names.

        Raises
        ------
        ShapeError
        """
        got = read_shapes(hidden)
        for name in [*self.hidden, *got]:
            if got.get(name) != self.hidden.get(name):
                raise ShapeError(
                    f"{name} is {got.get(name)}, and was {self.hidden.get(name)} when the "
                    "learner was compiled: call compile_graph again, or reset_state with the batch "
                    "size that it was compiled for",
                    got=got.get(name),
                    needs=self.hidden.get(name),
                )


def find_hidden(model: brainstate.nn.Module) -> list[tuple[str, brainstate.State]]:
    """Find the hidden states of a model, and their names."""
    return [(join_path(k), state) for k, state in model.states(brainstate.HiddenState).items()]


def read_shapes(hidden: NamedStates) -> dict[str, Any]:
    """Read the shapes, dtypes and units of what hidden states hold, by name."""
    return {name: shapes_of(state.value) for name, state in hidden}
