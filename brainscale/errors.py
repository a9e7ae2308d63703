"""The errors that SPEC.md names (chapter 12)."""

from __future__ import annotations

import brainunit as u

__all__ = [
    "AddressTypeError",
    "BrainscaleError",
    "DtypeError",
    "DuplicateError",
    "HistoryError",
    "InputError",
    "MissingPackageError",
    "MorphologyError",
    "NoCommonShapeError",
    "OperationError",
    "ParameterError",
    "ShapeError",
    "StateIndexError",
    "StateNameError",
    "StructureError",
    "UnitError",
    "ValueTypeError",
]


class BrainscaleError(Exception):
    """Base of all errors raised by this package (ERR-1).

    Parameters
    ----------
    message : str
        What was meant, what it got and what it needs (ERR-2).
    got, needs : object, optional
        The two things the message compares, kept as attributes.
    """

    def __init__(self, message: str, *, got: object = None, needs: object = None):
        super().__init__(message)
        self.got = got
        self.needs = needs

    def __str__(self) -> str:
        # KeyError would show the quoted repr of its message.
        return str(self.args[0])


class ValueTypeError(BrainscaleError, TypeError):
    """Something that is not an array, bare or with a unit (STATE-4)."""


class UnitError(BrainscaleError, u.UnitMismatchError, TypeError):
    """A wrong or missing unit (UNIT-2, UNIT-3)."""


class ShapeError(BrainscaleError, ValueError):
    """A wrong shape (STATE-5)."""


class DtypeError(BrainscaleError, TypeError):
    """A dtype that cannot hold what is written (STATE-6 to STATE-8)."""


class StructureError(BrainscaleError, ValueError):
    """Wrong containers, keys or number of entries."""


class DuplicateError(BrainscaleError, ValueError):
    """One state named twice."""


class StateIndexError(BrainscaleError, IndexError):
    """An index out of range."""


class StateNameError(BrainscaleError, KeyError):
    """An unknown or ambiguous name or path."""


class AddressTypeError(BrainscaleError, TypeError):
    """An address that is not an integer, text or a path."""


class NoCommonShapeError(BrainscaleError, ValueError):
    """`varshape` of a tree whose leaves have several shapes (TREE-3)."""


class HistoryError(BrainscaleError, ValueError):
    """The history of a state that keeps none (HIST-1)."""


class ParameterError(BrainscaleError, ValueError):
    """A parameter out of its range."""


class InputError(BrainscaleError, ValueError):
    """An input that is NaN or infinite (GIF-21)."""


class MorphologyError(BrainscaleError, ValueError):
    """A section or a tree of sections that is none (MORPH-8, MORPH-9)."""


class LateralPathError(BrainscaleError, ValueError):
    """A path between neurons that crosses no trainable operation (LEARN-14)."""


class UnreachedError(BrainscaleError, ValueError):
    """A parameter with a trace that reaches no hidden state (LEARN-15)."""


class ParameterUseError(BrainscaleError, ValueError):
    """A parameter with a trace used twice in a step, or hidden in control flow (LEARN-16).

    Also a parameter, with a trace or plain, that a step writes, or a function whose gradient is
    taken between its steps.
    """


class HiddenPathError(BrainscaleError, ValueError):
    """A derivative carried through time by a state that is not hidden (LEARN-17).

    Also one that a function whose gradient is taken carries past the learner from step to step.
    """


class OperationError(BrainscaleError, NotImplementedError):
    """An operation that does not define what a rule needs of it."""


class NotCompiledError(BrainscaleError, RuntimeError):
    """A learner used before `compile_graph`."""


class DivergedError(BrainscaleError, ArithmeticError):
    """A loss or a parameter that became NaN or infinite while training."""


class CheckpointError(BrainscaleError, ValueError):
    """A checkpoint of another model, optimizer or run."""


class CheckpointWarning(UserWarning):
    """A run goes on from an earlier checkpoint than the last, or has ended before it began."""


class MissingPackageError(BrainscaleError, ImportError):
    """An optional package that is not installed."""
