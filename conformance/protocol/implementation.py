"""The protocol: all that the suite knows of an implementation.

An adapter is an object of one class that has the attributes of `Implementation` and, for each
capability it claims, the methods of that capability's class below. It need not inherit from them.
It may claim less than its capabilities allow (`conformance/protocol/claims.py`). Every method must
return what is written here, in containers and types: `conformance/protocol/results.py` checks it.

What crosses an adapter is `Value`, trees (nested dict, list, tuple) of `Value`, Python scalars,
strings, NumPy arrays of booleans (spikes), opaque handles and exceptions. An exception counts as
the error of SPEC.md whose name one of its classes bears; an adapter to another language raises
classes of its own with these names. Whatever is not a `Value` or a tree of them is handed over as
it is: the suite uses that to give an implementation bad input.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal, Protocol

import numpy as np

from conformance.protocol.problems import Learned, LearnedTrials, Network, Rule, Traced
from conformance.protocol.values import Section, Value

# The texts tell them apart where the types of arguments and results are read (conformance/pipe).
Handle = Annotated[Any, "handle"]
Tree = Annotated[Any, "tree"]  # a Value, or a dict, list or tuple of trees
Address = Annotated[Any, "address"]  # int, str or tuple of those; anything else is bad input

CAPABILITIES = (
    *("states", "history", "gif", "morphology", "cable", "traces", "learning", "operations"),
    *("hybrid", "eprop", "rtrl", "ostl", "three_factor", "trials", "gif_sensitivity"),
)


class Implementation(Protocol):
    """The attributes of every adapter (CONF-1).

    One whose numbers are coarser than 32 bits may also have a `resolution` (NUM-9).
    """

    name: str
    precision: Literal[32, 64]
    capabilities: frozenset[str]
    #: May be left out: `conformance/protocol/claims.py`.
    claims: Mapping[str, frozenset[str]]


class States(Protocol):
    """Capability `states`: SPEC.md, chapters 1 to 4."""

    def make(
        self,
        kind: Literal["single", "group", "tree"],
        value: Tree,
        *,
        state_name: str | None = None,
        names: Sequence[str] | None = None,
        history: int = 0,
    ) -> Handle:
        """A new state; `names` are a group's. The caller's arrays are handed over uncopied."""

    def kinds(self, state: Handle) -> set[str]:
        """The kinds the state is of: "single" stands for `ETraceState`."""

    def num_state(self, state: Handle) -> int: ...

    def varshape(self, state: Handle) -> tuple[int, ...]: ...

    def read(self, state: Handle) -> Tree:
        """The whole value."""

    def write(self, state: Handle, value: Tree) -> None:
        """Write the whole value."""

    def get(self, state: Handle, address: Address) -> Tree: ...

    def set(self, state: Handle, updates: Mapping[Address, Tree] | Sequence[Tree]) -> None: ...

    def add_leaf(self, state: Handle, path: Address, value: Tree) -> None: ...

    def copy(self, state: Handle, how: Literal["copy", "deepcopy", "pickle"]) -> Handle: ...


class History(States, Protocol):
    """Capability `history`: SPEC.md, chapter 5. States are made and written by `States`."""

    def history(self, state: Handle) -> Tree:
        """The history of the whole value: each leaf with a leading axis, oldest first."""

    def write_all(self, state: Handle, values: Sequence[Tree]) -> None:
        """Write these whole values one after the other, in a compiled loop if there is such."""


class Gif(Protocol):
    """Capability `gif`: SPEC.md, chapter 6.

    `parameters` maps names of the table of chapter 6 to a `Value` or, for R1 and R2, to a float or
    a bare `Value`; what is left out has its default. A state maps "I1", "I2", "V", "V_th" to a
    `Value` whose shape ends in the population's shape. `form` is "states" (`GIF`) or "tree"
    (`GIFTree`).
    """

    def gif_defaults(self) -> dict[str, Value | float]:
        """The default of each parameter."""

    def gif_initial(
        self, size: tuple[int, ...], batch: int | None, parameters: Mapping[str, Any], form: str
    ) -> dict[str, Value]:
        """The state of a new population."""

    def gif_step(
        self,
        size: tuple[int, ...],
        parameters: Mapping[str, Any],
        state: Mapping[str, Value],
        current: Any,
        dt: Any,
        *,
        method: str = "exact",
        form: str = "states",
    ) -> tuple[dict[str, Value], np.ndarray]:
        """The state after one step, and the spikes."""

    def gif_run(
        self,
        size: tuple[int, ...],
        parameters: Mapping[str, Any],
        state: Mapping[str, Value],
        currents: Value,
        dt: Value,
        *,
        method: str = "exact",
        form: str = "states",
    ) -> tuple[dict[str, Value], np.ndarray]:
        """States after each step and spikes, each with a leading axis of time as `currents` has."""

    def gif_jacobian(
        self,
        size: tuple[int, ...],
        parameters: Mapping[str, Any],
        state: Mapping[str, Value],
        current: Value,
        dt: Value,
        *,
        alpha: float = 0.3,
        width: float = 1.0,
        scale: Value | None = None,
        detach_reset: bool = False,
    ) -> dict[str, np.ndarray]:
        """Derivatives of one exact step, neuron by neuron, as plain numbers in nA and mV.

        "state": (*shape, 4, 4), rows (I1, I2, V, V_th) after, columns before; "current":
        (*shape, 4); "spike_state": (*shape, 4), the emitted spike's; "spike_current": (*shape,).
        """


class GifSensitivity(Protocol):
    """Capability `gif_sensitivity`: SPEC.md, chapter 6, GIF-25 to GIF-31. All else is as of `Gif`.

    Parameters that are given are learned, each one number for each neuron that it has; their units
    here are those of the table, of states nA and mV.
    """

    def gif_sensitivity(
        self,
        size: tuple[int, ...],
        parameters: Mapping[str, Any],
        state: Mapping[str, Value],
        currents: Value,
        dt: Value,
        *,
        method: str = "exact",
        alpha: float = 0.3,
        width: float = 1.0,
        scale: Value | None = None,
        detach_reset: bool = False,
    ) -> dict[str, dict[str, np.ndarray]]:
        """Derivatives of a run of T steps by each neuron's own number, as plain numbers.

        "state": by parameter (T, *shape, 4), of (I1, I2, V, V_th) after each step; "spike": by
        parameter (T, *shape), of the emitted spikes.
        """

    def gif_gradient(
        self,
        size: tuple[int, ...],
        parameters: Mapping[str, Any],
        state: Mapping[str, Value],
        currents: Value,
        dt: Value,
        state_weights: np.ndarray,
        spike_weights: np.ndarray,
    ) -> dict[str, np.ndarray]:
        """Derivatives of a loss, each of the shape in which the parameter is given (GIF-31).

        The loss is the sum of states (nA and mV) and spikes times plain numbers: `state_weights`,
        (T, *shape, 4), and `spike_weights`, (T, *shape).
        """


class Morphology(Protocol):
    """Capability `morphology`: SPEC.md, chapter 7."""

    def morphology(self, sections: Sequence[Section]) -> dict[str, Value]:
        """The n compartments of a cell, in order.

        "area", "R_left", "R_right": (n,). "coupling": (n, n), what MORPH-6 leaves between
        compartments, zero on the diagonal.
        """

    def site(self, sections: Sequence[Section], site: Any) -> int:
        """The compartment of a site."""


class Cable(Protocol):
    """Capability `cable`: SPEC.md, chapter 8.

    `parameters` maps names of the table of chapter 8 to a `Value` that broadcasts to (size..., n);
    what is left out has its default. Potentials are a `Value` of shape (batch..., size..., n).
    `current` is a `Value` that broadcasts to that shape, or a mapping from sites to `Value`s that
    broadcast to (batch..., size...).
    """

    def cable_initial(
        self,
        size: tuple[int, ...],
        batch: int | None,
        sections: Sequence[Section],
        parameters: Mapping[str, Any],
    ) -> tuple[Value, int, tuple[int, ...]]:
        """The initial potentials, and the state's `num_state` and `varshape`."""

    def cable_step(
        self,
        size: tuple[int, ...],
        sections: Sequence[Section],
        parameters: Mapping[str, Any],
        V: Value,
        current: Any,
        dt: Any,
    ) -> Value:
        """The potentials after one step."""

    def cable_run(
        self,
        size: tuple[int, ...],
        sections: Sequence[Section],
        parameters: Mapping[str, Any],
        V: Value,
        currents: Value,
        dt: Value,
    ) -> Value:
        """The potentials after each step, with the leading axis of time that `currents` has."""

    def cable_jacobian(
        self,
        sections: Sequence[Section],
        parameters: Mapping[str, Any],
        dt: Value,
    ) -> dict[str, np.ndarray]:
        """Of one step of one neuron: "state" (n, n); "current" (n, n), in mV/nA.

        A row is a compartment after the step, a column one before it.
        """


class Traces(Protocol):
    """Capability `traces`: SPEC.md, chapter 9.

    Parameters are named "0.weight", "0.factor", "0.bias", "0.recurrent", "1.weight", ...,
    "readout.weight" and "readout.bias".
    """

    def traces(
        self,
        network: Network,
        inputs: Any,
        dt: Value,
        rule: Rule,
        *,
        runs: Sequence[int] = (),
        reset: bool = False,
    ) -> Traced:
        """Run a network on `inputs`, (T, B, K) and bare, and keep the traces that the rule needs.

        `runs` are lengths that sum to T: the run is made in as many calls, one after the other.
        `reset`: before the last of them, states and traces are reset.
        """


class Learning(Protocol):
    """Capability `learning`: SPEC.md, chapter 10. Networks and parameters are as of `Traces`."""

    def learn(
        self,
        network: Network,
        inputs: Any,
        targets: Any,
        weights: Any,
        dt: Value,
        rule: Rule,
        *,
        chunk: Any = 1,
        learning_rate: float | None = None,
    ) -> Learned:
        """Learn from `targets`, (T, B, M), the loss of step t weighed with `weights`[t].

        `learning_rate`: after each chunk, plain gradient descent on that chunk's gradient.
        """

    def learning_signals(
        self, network: Network, inputs: Any, targets: Any, weights: Any, dt: Value
    ) -> list[tuple[np.ndarray, np.ndarray]]:
        """For each layer c, (T, B, N), and lambda, (T, B, N, d) (LEARN-1)."""


class Operations(Protocol):
    """Capability `operations`: SPEC.md, chapter 9, the clauses OP. It has no methods of its own.

    `Traces` and `Learning`, where claimed, take layers of every `Operation`. Inputs are (T, B, K),
    with K = i_1 ... i_D C for a convolution; for an embedding, integers (T, B, 1).
    """


class FurtherRule(Traces, Protocol):
    """Capabilities `hybrid`, `eprop`, `rtrl` and `ostl`: these methods know that rule."""

    learn = Learning.learn


class ThreeFactor(Traces, Protocol):
    """Capability `three_factor`: SPEC.md, chapter 10. Networks are as of `Traces`."""

    def reinforce(
        self,
        network: Network,
        inputs: Any,
        rewards: Any,
        dt: Value,
        rule: Rule,
        *,
        chunk: Any = 1,
        learning_rate: float | None = None,
    ) -> Learned:
        """Learn from `rewards`, (T, B); losses as of THREE-4, the rest as of `Learning.learn`."""


class Trials(Protocol):
    """Capability `trials`: SPEC.md, chapter 10, LEARN-19. All else is as of `Learning`."""

    def learn_trials(
        self,
        network: Network,
        inputs: Any,
        targets: Any,
        weights: Any,
        lengths: Any,
        dt: Value,
        rule: Rule,
        *,
        chunk: Any = 1,
    ) -> LearnedTrials:
        """Learn from `targets`, trial b for its first `lengths`[b] steps, without updates.

        `lengths` are integers, (B,). What is behind a trial's end may be anything, NaN too.
        """


PROTOCOLS = {
    "states": States,
    "history": History,
    "gif": Gif,
    "morphology": Morphology,
    "cable": Cable,
    "traces": Traces,
    "learning": Learning,
    "operations": Operations,
    **dict.fromkeys(("hybrid", "eprop", "rtrl", "ostl"), FurtherRule),
    "three_factor": ThreeFactor,
    "trials": Trials,
    "gif_sensitivity": GifSensitivity,
}


def methods_of(capability: str) -> list[str]:
    """The names of the methods that an adapter with this capability has (CONF-2)."""
    return [name for name in dir(PROTOCOLS[capability]) if not name.startswith("_")]
