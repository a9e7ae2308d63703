"""The errors of SPEC.md, chapter 12, for adapters to raise.

An adapter need not use them: an exception counts as the error whose name one of its classes bears.
"""

from __future__ import annotations


class BrainscaleError(Exception):
    """The base of every error (ERR-1)."""

    # KeyError would show the repr of its message.
    __str__ = Exception.__str__


class ValueTypeError(BrainscaleError, TypeError):
    """Something that is no value."""


class UnitError(BrainscaleError, TypeError):
    """A wrong or missing unit."""


class ShapeError(BrainscaleError, ValueError):
    """A wrong shape."""


class DtypeError(BrainscaleError, TypeError):
    """A dtype that cannot hold what is written."""


class StructureError(BrainscaleError, ValueError):
    """Wrong containers, keys or number of entries."""


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
    """An input that is NaN or infinite, or the index of no row."""


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


ERRORS = {error.__name__: error for error in BrainscaleError.__subclasses__()}
"""All by name."""
