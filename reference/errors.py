"""The errors of SPEC.md, chapter 12."""

from __future__ import annotations


class BrainscaleError(Exception):
    """The base of every error of this package (ERR-1).

    Parameters
    ----------
    subject : str
        What the error is about: a state's name and address, or a parameter (ERR-2).
    got : str
        The argument that is refused.
    needs : str
        What the argument must be.
    """

    def __init__(self, subject: str, got: str, needs: str):
        super().__init__(subject, got, needs)
        self.subject, self.got, self.needs = subject, got, needs

    # Also spares the reader KeyError's habit of showing the repr of its message.
    def __str__(self) -> str:
        return f"{self.subject}: got {self.got}; needs {self.needs}"


class ValueTypeError(BrainscaleError, TypeError):
    """An argument that is no value."""


class UnitError(BrainscaleError, TypeError):
    """A wrong or missing unit."""


class ShapeError(BrainscaleError, ValueError):
    """A wrong shape."""


class DtypeError(BrainscaleError, TypeError):
    """A dtype that cannot hold what is written."""


class StructureError(BrainscaleError, ValueError):
    """Wrong containers, wrong keys or a wrong number of entries."""


class DuplicateError(BrainscaleError, ValueError):
    """One state named twice."""


class StateIndexError(BrainscaleError, IndexError):
    """An index out of range."""


class StateNameError(BrainscaleError, KeyError):
    """An unknown or ambiguous name or path."""


class AddressTypeError(BrainscaleError, TypeError):
    """An address of another type."""


class NoCommonShapeError(BrainscaleError, ValueError):
    """`varshape` of leaves of several shapes."""


class HistoryError(BrainscaleError, ValueError):
    """The history of a state that keeps none."""


class ParameterError(BrainscaleError, ValueError):
    """A parameter out of its range."""


class InputError(BrainscaleError, ValueError):
    """An input that is NaN or infinite."""


class MorphologyError(BrainscaleError, ValueError):
    """A section, or a tree of sections, that is none."""


class LateralPathError(BrainscaleError, ValueError):
    """A path between neurons that crosses no trainable operation."""


class UnreachedError(BrainscaleError, ValueError):
    """A parameter with a trace that reaches no hidden state."""


class ParameterUseError(BrainscaleError, ValueError):
    """A parameter with a trace used twice in a step, or hidden in control flow."""


class HiddenPathError(BrainscaleError, ValueError):
    """A derivative carried through time by a state that is not hidden."""
