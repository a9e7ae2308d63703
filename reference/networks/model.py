"""One step of a network of SPEC.md, chapter 10, and the way of gradients back within it."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ..errors import DtypeError, InputError
from ..traces import Entries, convolution, dense, grouped, inner, one_input, sparse
from ..values import read_plain
from .description import Network, check_kinds, check_paths, effective, read_parameters
from .kinds import make_neurons
from .leaky_readout import FilteredNeurons
from .point_neurons import Step


class LayerStep(NamedTuple):
    """One step of a layer: its operands and its neurons' step."""

    x: np.ndarray  #: (B, K), x_l(t); one-hot where the operation is an embedding
    s_before: np.ndarray  #: (B, N), s_l(t−1)
    #: D and S include the way of h(t−1) to y(t) through an element-wise recurrence.
    neurons: Step


class Model:
    """A network with its parameters, hidden states and last emissions.

    Parameters
    ----------
    network : Network
    dt : float, ms
    batch : int
        B.
    any_path : bool
        Whether the network may have paths that traces cannot follow (RTRL-3).

    Raises
    ------
    LateralPathError, UnreachedError, ParameterUseError, HiddenPathError, ParameterError
        As `check_paths` and `check_kinds` say.
    ValueTypeError, UnitError, DtypeError, ShapeError, InputError, ParameterError
        A parameter of the network or of its neurons.
    """

    make_neurons = staticmethod(make_neurons)

    def __init__(self, network: Network, dt: float, batch: int, any_path: bool = False):
        if not any_path:
            check_paths(network)
        check_kinds(network)
        self.network, self.batch = network, batch
        self.parameters, self.extents = read_parameters(network)
        #: B of e-prop, where it is neither W_out nor a parameter.
        self.feedback: np.ndarray | None = None
        self.neurons = []
        for layer, (_, N) in zip(network.layers, self.extents, strict=True):
            self.neurons.append(self.make_neurons(layer.kind, N, layer.parameters, dt))
        if network.readout_decay:
            self.neurons[-1] = FilteredNeurons(self.neurons[-1], network.readout_decay)
        self.entries = {
            f"{l}.{name}": self.entries_of(l, name) for l, name in self.list_operations()
        }
        self.reset()

    def reset(self) -> None:
        """Reset the states; out(0) = 0, s_l(0) = 0, or with v what the first state emits."""
        self.out = np.zeros((self.batch, self.parameters["readout.weight"].shape[1]))
        self.h = [neurons.initial(self.batch) for neurons in self.neurons]
        self.s = [np.zeros(h.shape[:2]) for h in self.h]
        for l, layer in enumerate(self.network.layers):
            if layer.is_element_wise:
                self.s[l] = self.neurons[l].emission(self.h[l]).s

    def list_operations(self) -> list[tuple[int, str]]:
        """List the layer and the operation of each parameter with a trace."""
        names = [name.split(".") for name in self.parameters if name[0].isdigit()]
        return [(int(l), operation) for l, operation in names]

    def group_for_rule(self, l: int, operation: str) -> list[str]:
        """The parameters that hybrid learning gives one rule, that of the first (HYBRID-2)."""
        arrays = {"low-rank": ("weight", "factor"), "convolution": ("weight", "bias")}
        together = arrays.get(self.network.layers[l].operation.kind, ())
        names = [f"{l}.{name}" for name in together if f"{l}.{name}" in self.parameters]
        return names if operation in together else [f"{l}.{operation}"]

    def entries_of(self, l: int, name: str) -> Entries:
        """The entries of one array of weights."""
        (K, N), w = self.extents[l], self.parameters[f"{l}.{name}"]
        operation = self.network.layers[l].operation
        if name == "weight" and operation.kind == "sparse":
            return sparse(operation)
        if name == "weight" and operation.kind == "convolution":
            return convolution(operation, w.shape)
        if name == "weight" and operation.kind == "grouped":
            return grouped(*w.shape)
        if name == "weight" and operation.kind == "low-rank":
            return inner(K, w.shape[1], N, lambda: self.parameters[f"{l}.factor"])
        return dense(*w.shape) if w.ndim == 2 else one_input(w.size, N)

    def weight(self, l: int, operation: str) -> np.ndarray | float:
        """The effective weight of an operation, 0 where the layer has none.

        Of "weight" it is the (K, N) matrix M of y = x M; of "bias" and an element-wise "recurrent"
        it is (N,).
        """
        if self.network.tied and (l, operation) == (1, "weight"):
            l = 0
        w, layer = self.parameters.get(f"{l}.{operation}"), self.network.layers[l]
        if w is None:
            return 0.0
        W, entries = effective(layer, operation, w), self.entries[f"{l}.{operation}"]
        if operation == "weight" and layer.operation.kind == "low-rank":
            return layer.operation.scale * (W @ self.parameters[f"{l}.factor"])
        return entries.matrix(W)[0] if entries.is_one else entries.matrix(W)

    def read_inputs(self, inputs: Any) -> np.ndarray:
        """Read the inputs of all steps, (T, B, K); indices of rows become one-hot (OP-5).

        Raises
        ------
        ValueTypeError, UnitError, DtypeError, ShapeError, InputError
            LEARN-18; OP-13.
        """
        K, is_embedding = self.extents[0][0], self.network.layers[0].operation.kind == "embedding"
        numbers = read_plain(inputs, (None, None, 1 if is_embedding else K), "inputs")
        if not is_embedding:
            return numbers
        if np.asarray(inputs).dtype.kind not in "iu":
            got = f"the dtype {np.asarray(inputs).dtype}"
            raise DtypeError("inputs of an embedding", got, "integers")
        bad = numbers[(numbers < 0) | (numbers >= K)]
        if bad.size:
            raise InputError("inputs of an embedding", f"{bad[0]:.0f}", f"0 to {K - 1}")
        return np.equal(numbers, np.arange(K)).astype(np.float64)

    def step(self, x: np.ndarray) -> tuple[list[LayerStep], np.ndarray]:
        """Make one step of all layers from an input, (B, K); return it and out(t), (B, M)."""
        steps = []
        for l in range(len(self.neurons)):
            steps.append(self.layer_step(l, x))
            x = steps[-1].neurons.s
        readout_input, _ = self.find_readout_input(steps[-1].neurons)
        out = readout_input @ self.parameters["readout.weight"] + self.parameters.get(
            "readout.bias", 0.0
        )
        if "skip" in self.parameters:
            out = out + steps[0].x @ self.parameters["skip"]
        self.out = out + (self.network.output_decay or 0.0) * self.out
        self.h = [step.neurons.h for step in steps]
        self.s = [step.neurons.s for step in steps]
        return steps, self.out

    def find_readout_input(self, step: Step) -> tuple[np.ndarray, np.ndarray]:
        """The input of the readout, s_L(t) or r(t), (B, N), and its ∂/∂h(t−1), (B, N, d).

        Its ∂/∂y(t) is q.
        """
        if self.network.readout_decay:
            return step.h[..., -1], step.D[..., -1, :]
        return step.s, step.S

    def layer_step(self, l: int, x: np.ndarray) -> LayerStep:
        """y = x W + β + s(t−1) U or v ∘ s(t−1), and the neurons' step with it."""
        neurons, h, s_before = self.neurons[l], self.h[l], self.s[l]
        y = x @ self.weight(l, "weight") + self.weight(l, "bias")
        recurrent = self.weight(l, "recurrent")
        if self.network.layers[l].lateral is not None:
            y = y + s_before @ self.network.layers[l].lateral
        if self.network.layers[l].is_element_wise:
            step = neurons.step(h, y + recurrent * s_before)
            slope = neurons.emission(h).slope
            return LayerStep(x, s_before, add_self_connection(step, recurrent, slope))
        if self.network.layers[l].recurrent is not None:
            y = y + s_before @ recurrent
        return LayerStep(x, s_before, neurons.step(h, y))

    def operands(self, step: LayerStep, l: int, operation: str) -> tuple[np.ndarray, np.ndarray]:
        """z, (B, K), and ∂y_l/∂y_p, (B, N), of an operation p of layer l.

        y_p of an element-wise operation is v itself, which s(t−1) multiplies afterwards.
        """
        one, all_ones = np.ones((self.batch, 1)), np.ones(step.s_before.shape)
        kind, scale = self.network.layers[l].operation.kind, self.network.layers[l].operation.scale
        if operation == "factor":
            return scale * (step.x @ self.parameters[f"{l}.weight"]), all_ones
        if operation == "weight":
            return (scale * step.x if kind == "low-rank" else step.x), all_ones
        if operation == "bias":
            return one, all_ones
        if self.network.layers[l].is_element_wise:
            return one, step.s_before
        return step.s_before, all_ones

    def signals(
        self, steps: list[LayerStep], error: np.ndarray
    ) -> list[tuple[np.ndarray, np.ndarray]]:
        """c_l = ∂L/∂y_l, (B, N), and λ_l = ∂L/∂h_l(t−1), (B, N, d), of each layer (LEARN-1, OP-10).

        Parameters
        ----------
        steps : list of LayerStep
        error : (B, M) array
            ∂L/∂out.
        """
        signals = []
        g = error @ np.transpose(self.feedback_weights())  # ∂L/∂s_l(t), from the last layer down
        for l in reversed(range(len(steps))):
            neurons = steps[l].neurons
            S = self.find_readout_input(neurons)[1] if l == len(steps) - 1 else neurons.S
            c = g * neurons.q
            signals.append((c, g[..., np.newaxis] * S))
            g = c @ np.transpose(self.weight(l, "weight"))
        return signals[::-1]

    def feedback_weights(self) -> np.ndarray:
        """The weights that carry ∂L/∂out back to the readout's input: W_out, or B (EPROP-1)."""
        if self.feedback is not None:
            return self.feedback
        return self.parameters.get("readout.feedback", self.parameters["readout.weight"])


def add_self_connection(step: Step, v: np.ndarray, slope: np.ndarray) -> Step:
    """Add to D and S the path of h(t−1) through v ∘ s(t−1).

    y has the term v s(t−1), so ∂y/∂h(t−1) is v ∂s(t−1)/∂h(t−1); D grows by F times it, S by q
    times it.

    Parameters
    ----------
    step : Step
        With y held fixed.
    v : (N,) array
    slope : (B, N, d) array
        ∂s(t−1)/∂h(t−1).

    Returns
    -------
    Step
    """
    D, S = step.D.copy(), step.S.copy()
    for j in range(slope.shape[-1]):
        through = v * slope[..., j]
        S[..., j] += step.q * through
        for i in range(slope.shape[-1]):
            D[..., i, j] += step.F[..., i] * through
    return step._replace(D=D, S=S)
