"""What layers share: sizes, first values, parameters and inputs, each checked at the door."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import brainstate
import brainunit as u
from braintools.surrogate import Surrogate

from ..checks.arguments import check_array, check_function, check_shape, check_text
from ..checks.hints import Initializer
from ..checks.requests import needs_initialised
from ..errors import ValueTypeError
from ..parameters import ElemWiseParam, ETraceParam, FakeETraceParam, NonTempParam
from .quantities import check_broadcasts, check_size, check_unit, read_batch_axes

__all__ = [
    "Layer",
    "ParamType",
    "apply_element_wise",
    "check_surrogate",
    "make_initial",
    "make_initial_state",
]
__all__ += ["check_input", "check_parameter_type", "needs_initialised", "share_sections"]

ParamType: TypeAlias = type[ETraceParam | NonTempParam | FakeETraceParam]


class Layer(brainstate.nn.Module):
    """A module of given sizes: `in_size` and `out_size` are tuples, whose last entries are K and N.

    Raises
    ------
    ParameterError, ValueTypeError
        Sizes that are no integers from 1; a name that is no text.
    """

    # To brainstate, any may be a number.
    in_size: tuple[int, ...]
    out_size: tuple[int, ...]

    def __init__(
        self,
        in_size: int | Sequence[int],
        out_size: int | Sequence[int],
        name: str | None = None,
    ):
        super().__init__(name=check_text(name, "name"))
        self.in_size = check_size(in_size, "in_size", 1)
        self.out_size = check_size(out_size, "out_size", 1)


def share_sections(base: type[Layer], *kinds: type[Layer]) -> None:
    """Put the sections of a base's docstring into those of its kinds, before their examples."""
    shared = inspect.cleandoc(base.__doc__ or "").partition("\n")[2]
    for kind in kinds:
        text, title, examples = inspect.cleandoc(kind.__doc__ or "").partition("\nExamples\n")
        kind.__doc__ = f"{text.rstrip()}\n{shared}\n{title}{examples}\n"


def make_initial(initializer: Initializer, shape: tuple[int, ...], what: str) -> Any:
    """Make a parameter's first value: what a callable makes of the shape, or an array of it.

    Raises
    ------
    ValueTypeError, DtypeError, ShapeError
        No array; not floating-point or complex; of another shape.
    """
    return check_shape(check_array(_call_initializer(initializer, shape, what), what), shape, what)


def make_initial_state(
    initializer: Initializer,
    shape: tuple[int, ...],
    batch_size: int | tuple[int, ...] | None,
    what: str,
    unit: u.Unit | None = None,
) -> Any:
    """Make a state's first value, as `make_initial`, behind a batch's axes; an array is broadcast.

    Raises
    ------
    ParameterError, ValueTypeError, UnitError, ShapeError
    """
    shape = (*read_batch_axes(batch_size), *shape)
    value = check_array(_call_initializer(initializer, shape, what), what)
    if unit is not None:
        check_unit(value, unit, what)
    check_broadcasts(u.math.shape(value), shape, what)
    return u.math.broadcast_to(value, shape)


def _call_initializer(initializer: Initializer, shape: tuple[int, ...], what: str) -> Any:
    """Give what an initializer makes of a shape, or the array that it is."""
    return check_function(initializer, what)(shape) if callable(initializer) else initializer


def check_parameter_type(param_type: ParamType) -> ParamType:
    """Give the class of a layer's parameters.

    Raises
    ------
    ValueTypeError
    """
    kinds = (ETraceParam, NonTempParam, FakeETraceParam)
    is_one = isinstance(param_type, type) and issubclass(param_type, kinds)
    if not is_one or issubclass(param_type, ElemWiseParam):
        raise ValueTypeError(
            "param_type must be ETraceParam, NonTempParam or FakeETraceParam, or a subclass of one "
            f"of them, got {param_type!r}",
            got=param_type,
        )
    return param_type


def apply_element_wise(function: Callable[[Any], Any], x: Any, what: str) -> Any:
    """Apply an element-wise function to an array, which gives one of its shape.

    Raises
    ------
    ValueTypeError, ShapeError
    """
    result = f"what {what} returns"
    return check_shape(check_array(function(x), result), u.math.shape(x), result)


def check_input(x: Any, shape: tuple[int, ...], what: str = "the input") -> Any:
    """Give an input of this shape, without a unit.

    Raises
    ------
    ValueTypeError, UnitError, ShapeError
    """
    check_unit(check_array(x, what), u.UNITLESS, what)
    return check_shape(x, shape, what)


def check_surrogate(spk_fun: Any) -> Surrogate:
    """Give a spike function that has a derivative.

    Raises
    ------
    ValueTypeError
    """
    if not isinstance(spk_fun, Surrogate):
        raise ValueTypeError(
            f"spk_fun must be a braintools.surrogate.Surrogate, got {type(spk_fun).__name__}",
            got=spk_fun,
        )
    return spk_fun
