"""The errors that SPEC.md names (chapter 12)."""

from __future__ import annotations

import brainunit as u

__all__ = [
    "AddressTypeError",
    "BrainscaleError",
    "CheckpointError",
    "CheckpointWarning",
    "DivergedError",
    "DtypeError",
    "DuplicateError",
    "FileError",
    "HiddenPathError",
    "HistoryError",
    "InputError",
    "LateralPathError",
    "MissingPackageError",
    "MorphologyError",
    "NoCommonShapeError",
    "NotCompiledError",
    "OperationError",
    "ParameterError",
    "ParameterUseError",
    "ShapeError",
    "StateIndexError",
    "StateNameError",
    "StructureError",
    "UnitError",
    "UnreachedError",
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

    Examples
    --------
    >>> V = brainscale.ETraceState(jnp.zeros(3) * u.mV, name="V")
    >>> try:
    ...     V.value = jnp.zeros(3) * u.nA
    ... except brainscale.BrainscaleError as error:
    ...     print("in", error.needs)
    in mV
    """

    def __init__(self, message: str, *, got: object = None, needs: object = None):
        super().__init__(message)
        self.got = got
        self.needs = needs

    def __str__(self) -> str:
        # KeyError would show the quoted repr of its message.
        return str(self.args[0])


class ValueTypeError(BrainscaleError, TypeError):
    """Something that is not an array, bare or with a unit (STATE-4).

    Examples
    --------
    >>> brainscale.ETraceState("a text")
    Traceback (most recent call last):
        ...
    brainscale.errors.ValueTypeError: ETraceState needs an array of numbers (NumPy, JAX or
        brainunit.Quantity), got str
    """


class UnitError(BrainscaleError, u.UnitMismatchError, TypeError):
    """A wrong or missing unit (UNIT-2, UNIT-3).

    Examples
    --------
    >>> V = brainscale.ETraceState(jnp.zeros(3) * u.mV, name="V")
    >>> V.value = jnp.zeros(3) * u.nA
    Traceback (most recent call last):
        ...
    brainscale.errors.UnitError: ETraceState 'V' has the unit mV, got the unit nA
    """


class ShapeError(BrainscaleError, ValueError):
    """A wrong shape (STATE-5).

    Examples
    --------
    >>> V = brainscale.ETraceState(jnp.zeros(3) * u.mV, name="V")
    >>> V.value = jnp.zeros(4) * u.mV
    Traceback (most recent call last):
        ...
    brainscale.errors.ShapeError: ETraceState 'V' has shape (3,), got shape (4,); nothing is
        broadcast
    """


class DtypeError(BrainscaleError, TypeError):
    """A dtype that cannot hold what is written (STATE-6 to STATE-8).

    Examples
    --------
    >>> h = brainscale.ETraceState(jnp.zeros(3), name="h")
    >>> h.value = jnp.ones(3) * 1j
    Traceback (most recent call last):
        ...
    brainscale.errors.DtypeError: ETraceState 'h' has dtype float32, which cannot hold every
        complex64; cast the value to float32 first
    """


class StructureError(BrainscaleError, ValueError):
    """Wrong containers, keys or number of entries.

    Examples
    --------
    >>> state = brainscale.ETraceTreeState({"V": jnp.zeros(5) * u.mV}, name="state")
    >>> state.value = {"W": jnp.zeros(5) * u.mV}
    Traceback (most recent call last):
        ...
    brainscale.errors.StructureError: ETraceTreeState 'state' has the entries ['V'], got ['W']
    """


class DuplicateError(BrainscaleError, ValueError):
    """One state named twice.

    Examples
    --------
    >>> V = brainscale.ETraceGroupState(jnp.zeros((10, 2)) * u.mV, names=("soma", "axon"), name="V")
    >>> V.set_value({"soma": jnp.ones(10) * u.mV, 0: jnp.ones(10) * u.mV})
    Traceback (most recent call last):
        ...
    brainscale.errors.DuplicateError: ETraceGroupState 'V' is given the state 'soma' twice
    """


class StateIndexError(BrainscaleError, IndexError):
    """An index out of range.

    Examples
    --------
    >>> V = brainscale.ETraceGroupState(jnp.zeros((10, 2)) * u.mV, name="V")
    >>> V.get_value(2)
    Traceback (most recent call last):
        ...
    brainscale.errors.StateIndexError: ETraceGroupState 'V' has 2 states, got index 2; it needs -2
        to 1
    """


class StateNameError(BrainscaleError, KeyError):
    """An unknown or ambiguous name or path.

    Examples
    --------
    >>> V = brainscale.ETraceGroupState(jnp.zeros((10, 2)) * u.mV, names=("soma", "axon"), name="V")
    >>> V.get_value("dendrite")
    Traceback (most recent call last):
        ...
    brainscale.errors.StateNameError: ETraceGroupState 'V' has no 'dendrite'; it has ['soma',
        'axon']
    """


class AddressTypeError(BrainscaleError, TypeError):
    """An address that is not an integer, text or a path.

    Examples
    --------
    >>> V = brainscale.ETraceGroupState(jnp.zeros((10, 2)) * u.mV, name="V")
    >>> V.get_value(0.5)
    Traceback (most recent call last):
        ...
    brainscale.errors.AddressTypeError: ETraceGroupState 'V' is addressed by an index or a name,
        got 0.5
    """


class NoCommonShapeError(BrainscaleError, ValueError):
    """`varshape` of a tree whose leaves have several shapes (TREE-3).

    Examples
    --------
    >>> tree = {"V": jnp.zeros(5), "w": jnp.zeros((5, 2))}
    >>> state = brainscale.ETraceTreeState(tree, name="state")
    >>> state.varshape
    Traceback (most recent call last):
        ...
    brainscale.errors.NoCommonShapeError: ETraceTreeState 'state' has leaves of shapes {('V',):
        (5,), ('w',): (5, 2)}; ask each leaf for its own: state.get_value(address).shape
    """


class HistoryError(BrainscaleError, ValueError):
    """The history of a state that keeps none (HIST-1).

    Examples
    --------
    >>> V = brainscale.ETraceState(jnp.zeros(3) * u.mV, name="V")
    >>> V.history
    Traceback (most recent call last):
        ...
    brainscale.errors.HistoryError: ETraceState 'V' keeps no history; make it with history=K, K > 0
    """


class ParameterError(BrainscaleError, ValueError):
    """A parameter out of its range.

    Examples
    --------
    >>> brainscale.nn.GIF(10, tau=-5 * u.ms)
    Traceback (most recent call last):
        ...
    brainscale.errors.ParameterError: tau must be positive, got -5 ms
    """


class InputError(BrainscaleError, ValueError):
    """An input that is NaN or infinite (GIF-21).

    Examples
    --------
    >>> neuron = brainscale.nn.GIF(1)
    >>> neuron.init_state()
    >>> neuron(jnp.nan * u.nA)
    Traceback (most recent call last):
        ...
    brainscale.errors.InputError: the input current must be finite, got NaN or infinity
    """


class MorphologyError(BrainscaleError, ValueError):
    """A section or a tree of sections that is none (MORPH-8, MORPH-9).

    Examples
    --------
    >>> axon = brainscale.nn.Section("axon", length=100 * u.um, diam=1 * u.um, parent="soma")
    >>> brainscale.nn.Morphology(axon)
    Traceback (most recent call last):
        ...
    brainscale.errors.MorphologyError: section 'axon' has the unknown parent 'soma'
    """


class LateralPathError(BrainscaleError, ValueError):
    """A path between neurons that crosses no trainable operation (LEARN-14).

    Examples
    --------
    >>> class Lateral(brainstate.nn.Module):
    ...     def __init__(self):
    ...         super().__init__()
    ...         self.into = brainscale.nn.Linear(3, 8)
    ...         self.again = jnp.ones((8, 8))
    ...         self.h = brainscale.ETraceState(jnp.zeros(8), name="h")
    ...
    ...     def update(self, x):
    ...         self.h.value = jnp.tanh(self.into(x) + self.h.value @ self.again)
    ...         return self.h.value
    >>> brainscale.compile(Lateral(), "D_RTRL", jnp.zeros(3))
    Traceback (most recent call last):
        ...
    brainscale.errors.LateralPathError: neurons of h influence each other without a trainable
        operation ...
    """


class UnreachedError(BrainscaleError, ValueError):
    """A parameter with a trace that reaches no hidden state (LEARN-15).

    Examples
    --------
    >>> brainscale.compile(brainscale.nn.Linear(3, 8), "D_RTRL", jnp.zeros(3))
    Traceback (most recent call last):
        ...
    brainscale.errors.UnreachedError: weight reaches no hidden state in a step, or the step does
        not use it: use it, or make it a plain parameter (NonTempParam)
    """


class ParameterUseError(BrainscaleError, ValueError):
    """A parameter with a trace used twice in a step, or hidden in control flow (LEARN-16).

    Also a parameter, with a trace or plain, that a step writes, or a function whose gradient is
    taken between its steps.

    Examples
    --------
    >>> class Twice(brainstate.nn.Module):
    ...     def __init__(self):
    ...         super().__init__()
    ...         self.cell = brainscale.nn.GRUCell(3, 3)
    ...
    ...     def update(self, x):
    ...         return self.cell(self.cell(x))
    >>> try:
    ...     brainscale.compile(Twice(), "D_RTRL", jnp.zeros(3))
    ... except brainscale.errors.ParameterUseError as error:
    ...     print(error)
    cell.Wz.weight is used a second time within a step
    """


class HiddenPathError(BrainscaleError, ValueError):
    """A derivative carried through time by a state that is not hidden (LEARN-17).

    Also one that a function whose gradient is taken carries past the learner from step to step.

    Examples
    --------
    >>> class Plain(brainstate.nn.Module):
    ...     def __init__(self):
    ...         super().__init__()
    ...         self.cell = brainscale.nn.GRUCell(3, 8)
    ...         self.mean = brainstate.ShortTermState(jnp.zeros(8))
    ...
    ...     def update(self, x):
    ...         self.mean.value = 0.9 * self.mean.value + 0.1 * self.cell(x)
    ...         return self.mean.value
    >>> brainscale.compile(Plain(), "D_RTRL", jnp.zeros(3))
    Traceback (most recent call last):
        ...
    brainscale.errors.HiddenPathError: mean carries a derivative from step to step and is no hidden
        state: make it one (ETraceState), and what mixes neurons into it an ETraceParam, or stop
        its gradient, or learn by RTRL. A delay is brainscale.nn.Delay, in the place of
        brainstate.nn.Delay
    """


class OperationError(BrainscaleError, NotImplementedError):
    """An operation that does not define what a rule needs of it.

    Examples
    --------
    >>> class Gain(brainscale.ETraceOp):
    ...     def effective(self, w):
    ...         return w
    >>> Gain()(jnp.ones(3), jnp.ones(3))
    Traceback (most recent call last):
        ...
    brainscale.errors.OperationError: Gain does not define `apply`, which is needed
    """


class NotCompiledError(BrainscaleError, RuntimeError):
    """A learner used before `compile_graph`.

    Examples
    --------
    >>> model = brainscale.nn.GRUCell(3, 8)
    >>> model.init_state()
    >>> brainscale.D_RTRL(model)(jnp.zeros(3))
    Traceback (most recent call last):
        ...
    brainscale.errors.NotCompiledError: compile_graph(*example_inputs) comes before learning
    """


class DivergedError(BrainscaleError, ArithmeticError):
    """A loss or a parameter that became NaN or infinite while training.

    Examples
    --------
    >>> import optax
    >>> learner = brainscale.D_RTRL(brainscale.nn.VanillaRNNCell(3, 8, activation=lambda x: x))
    >>> step = lambda x: (learner(x) ** 2).mean()
    >>> batch = lambda i: (np.ones((5, 16, 3), "float32"),)
    >>> brainscale.fit(learner, step, batch, 3, optax.sgd(1e30), progress=False)
    Traceback (most recent call last):
        ...
    brainscale.errors.DivergedError: the loss (nan) or a parameter became NaN or infinite in
        iteration 1, which is undone; there is no checkpoint
    """


class CheckpointError(BrainscaleError, ValueError):
    """A checkpoint of another model, optimizer or run."""


class CheckpointWarning(UserWarning):
    """A run goes on from an earlier checkpoint than the last, or has ended before it began."""


class FileError(BrainscaleError, OSError):
    """A file that is not there, or cannot be read or written."""


class MissingPackageError(BrainscaleError, ImportError):
    """An optional package that is not installed."""
