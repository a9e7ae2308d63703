"""The networks of SPEC.md, chapter 10, in complex numbers: derivatives without any Jacobian.

A number h + i·10⁻³⁰ carries a derivative in its imaginary part, exact to rounding, since all is
analytic but the comparisons (Squire and Trapp 1998, SIAM Review 40:110). A spike's value is that of
its comparison, and its imaginary part is ψ(x) times that of x: this is what it means that a spike's
derivative is its surrogate's. Taking the real part stops a derivative.
"""

from __future__ import annotations

import math

import numpy as np

from reference import Quantity
from reference.cable import three_section_cell

from .complex_operations import matrix

STEP = 1e-30

UNITS = {
    "tau": "ms", "R": "ohm", "V_th": "mV", "V_reset": "mV", "V_rest": "mV", "tau_a": "ms",
    "beta": "mV", "tau_s": "ms", "omega": "ms^-1",
}  # fmt: skip
DEFAULTS = dict(
    tau=5.0, R=1.0, V_th=1.0, V_reset=0.0, V_rest=0.0, tau_a=100.0, beta=0.1, tau_s=10.0, omega=0.5
)
GIF_UNITS = {
    "tau": "ms", "R": "Mohm", "V_rest": "mV", "V_reset": "mV", "V_th_inf": "mV",
    "V_th_reset": "mV", "k1": "ms^-1", "k2": "ms^-1", "R1": None, "R2": None, "A1": "nA",
    "A2": "nA", "a": "ms^-1", "b": "ms^-1",
}  # fmt: skip
GIF_DEFAULTS = dict(
    tau=20.0, R=1e-4, V_rest=-70.0, V_reset=-80.0, V_th_inf=-50.0, V_th_reset=-60.0, k1=0.1,
    k2=0.05, R1=0.9, R2=0.8, A1=10.0, A2=5.0, a=0.1, b=0.02,
)  # fmt: skip


def numbers(layer):
    """The parameters of a layer's neurons, in the units above (GIF: R in Mohm)."""
    gif = layer.kind.startswith("GIF")
    units, values = (GIF_UNITS, dict(GIF_DEFAULTS)) if gif else (UNITS, dict(DEFAULTS))
    for name, value in layer.parameters.items():
        plain = value.to(units[name]).array if isinstance(value, Quantity) else value
        values[name] = np.asarray(plain)
    return values


def surrogate(x):
    """ψ(x) with α = 0.3 and w = 1."""
    return np.where(np.abs(x) < 1, 0.3 * (1 - np.abs(x)), 0.0)


def spike(x, strict=False):
    """Θ(x), whose derivative is ψ(x)."""
    above = x.real > 0 if strict else x.real >= 0
    return above + 1j * surrogate(x.real) * x.imag


def point_spike(kind, p, h):
    """z of `LIF`, `ALIF` or `synapse_LIF`."""
    V = h[..., 1] if kind == "synapse_LIF" else h[..., 0]
    threshold = p["V_th"] + (p["beta"] * h[..., 1] if kind == "ALIF" else 0)
    return spike((V - threshold) / (p["V_th"] - p["V_reset"]))


def emission(kind, p, h):
    """What a state emits."""
    if kind in ("leaky", "LRU"):
        return h[..., 0]
    return (h[..., 0] + 70) / 10 if kind == "cable" else point_spike(kind, p, h)


def point_step(kind, p, h, y, dt):
    """h' of a point neuron, from the table."""
    a = np.exp(-dt / p["tau"])
    if kind == "leaky":
        return (a * h[..., 0] + y)[..., None]
    if kind == "LRU":
        # The two parts are complex numbers themselves, each with a derivative.
        turn = np.exp(1j * p["omega"] * dt)
        re, im = a * h[..., 0], a * h[..., 1]
        rotated = turn.real * re - turn.imag * im + y, turn.imag * re + turn.real * im
        return np.stack(rotated, axis=-1)
    V = h[..., 1] if kind == "synapse_LIF" else h[..., 0]
    z = point_spike(kind, p, h)
    if kind == "synapse_LIF":
        y = np.exp(-dt / p["tau_s"]) * h[..., 0] + y
    jump = (p["V_th"] - p["V_reset"]) * z
    V = p["V_rest"] + a * (V - jump - p["V_rest"]) + (1 - a) * p["R"] * y
    if kind == "LIF":
        return V[..., None]
    if kind == "synapse_LIF":
        return np.stack([y, V], axis=-1)
    return np.stack([V, np.exp(-dt / p["tau_a"]) * (h[..., 1] + z)], axis=-1)


def gif_step(p, h, y, dt):
    """h' and the spike of GIF neurons; the exponential as its series."""
    after, z = np.empty(h.shape, complex), np.empty(y.shape, complex)
    for n in range(y.shape[1]):
        p_n = {name: float(np.broadcast_to(x, y.shape[1:])[n]) for name, x in p.items()}
        q = 1 / p_n["tau"]
        M = np.zeros((5, 5))
        M[0, 0], M[1, 1], M[2, 2], M[3, 3] = -p_n["k1"], -p_n["k2"], -q, -p_n["b"]
        M[2, [0, 1, 4]] = p_n["R"] * q
        M[3, 2] = p_n["a"]
        E = sum(np.linalg.matrix_power(M * dt, k) / math.factorial(k) for k in range(25))
        o = np.array([0, 0, p_n["V_rest"], p_n["V_th_inf"]])
        for b in range(len(y)):
            hat = o + E[:4] @ np.append(h[b, n] - o, y[b, n])
            z[b, n] = spike((hat[2] - hat[3]) / 20, strict=True)
            bound = hat[3] if hat[3].real > p_n["V_th_reset"] else p_n["V_th_reset"]
            reset = [p_n[f"R{j}"] * hat[j - 1] + p_n[f"A{j}"] for j in (1, 2)]
            reset = np.array([*reset, p_n["V_reset"], bound])
            after[b, n] = hat + z[b, n] * (reset - hat)
    return after, z


def cable_matrix(dt):
    """M between compartments, and C/dt and G of each, uS."""
    cell = three_section_cell()
    coupling = cell.coupling()
    C, G = cell.cm * cell.area * 1e-5 / dt, 1e-4 * cell.area * 1e-2
    return np.diag(C + G + coupling.sum(axis=1)) - coupling, C, G


def step(kind, p, h, y, dt):
    """h' and s of one step of neurons."""
    if kind.startswith("GIF"):
        return gif_step(p, h, y, dt)
    if kind == "cable":
        M, C, G = cable_matrix(dt)
        right = C * h + G * -70
        right[..., 0] += y
        h = np.einsum("ij,bnj->bni", np.linalg.inv(M), right)
    else:
        h = point_step(kind, p, h, y, dt)
    return h, emission(kind, p, h)


FUNCTIONS = {
    "identity": lambda w: w,
    "square": lambda w: w**2,
    "absolute": lambda w: w * np.sign(w.real),
}


class ComplexNetwork:
    """A network whose parameters are complex. `cut` is as of `reference.learning.full_gradient`.

    The cut "layers" is that of a parameter of the layer `owner`. Another cut, "local", is as
    "operations", and takes from each layer what it emits by itself.
    """

    def __init__(self, network, dt, batch, initial, cut="nothing"):
        self.network, self.dt, self.cut, self.owner = network, dt, cut, None
        self.numbers = [numbers(layer) for layer in network.layers]
        self.parameters = {
            f"{l}.{name}": np.array(getattr(layer, name), complex)
            for l, layer in enumerate(network.layers)
            for name in ("weight", "factor", "bias", "recurrent")
            if getattr(layer, name) is not None
        }
        if network.tied:
            del self.parameters["1.weight"]
        self.parameters["readout.weight"] = np.array(network.readout, complex)
        if network.readout_bias is not None:
            self.parameters["readout.bias"] = np.array(network.readout_bias, complex)
        if network.skip is not None:
            self.parameters["skip"] = np.array(network.skip, complex)
        self.h = [np.array(h, complex) for h in initial]
        self.s = [np.zeros(h.shape[:2], complex) for h in self.h]
        self.r = self.seen = self.s[-1]
        self.out = np.zeros((batch, network.readout.shape[1]), complex)

    def weight(self, l):
        """The effective weight W of a layer, as a matrix."""
        l = 0 if self.network.tied and l == 1 else l
        layer = self.network.layers[l]
        W = FUNCTIONS[layer.weight_function](self.parameters[f"{l}.weight"])
        W = W if layer.mask is None else W * layer.mask
        return matrix(layer.operation, W, self.parameters.get(f"{l}.factor"))

    def bias(self, l):
        """β; of a convolution, at every position."""
        bias = self.parameters.get(f"{l}.bias", np.zeros(1))
        return np.tile(bias, self.h[l].shape[1] // bias.size)

    def recurrent_input(self, l):
        """What comes from s(t−1)."""
        layer, U = self.network.layers[l], self.parameters.get(f"{l}.recurrent")
        fixed = 0 if layer.lateral is None else self.s[l] @ layer.lateral
        if U is None:
            return fixed
        if U.ndim < 2:
            return fixed + U * emission(layer.kind, self.numbers[l], self.h[l])
        U = U if layer.recurrent_mask is None else U * layer.recurrent_mask
        return fixed + (self.s[l] if self.cut in ("nothing", "layers") else self.s[l].real) @ U

    def step(self, x, extra=None):
        """out(t); `extra` is added to y of each layer."""
        if self.network.layers[0].operation.kind == "embedding":
            x = np.eye(len(self.parameters["0.weight"]))[x[:, 0]]
        x, h, s = np.asarray(x, complex), [], []
        first = x
        for l, layer in enumerate(self.network.layers):
            y = self.bias(l) + self.recurrent_input(l)
            y = y + (0 if extra is None else extra[l])
            seen = kept = y + x @ self.weight(l)
            if self.cut in ("operations", "local"):
                kept = y + x.real @ self.weight(l)
            seen = kept if self.cut == "local" else seen
            arguments = layer.kind, self.numbers[l], self.h[l]
            after, emitted = step(*arguments, kept, self.dt)
            h.append(after)
            x = step(*arguments, seen, self.dt)[1]
            s.append(x)
        decay = self.network.readout_decay
        self.seen, self.r = decay * self.r + x, decay * self.r + emitted
        self.h, self.s = h, s
        out = self.seen @ self.parameters["readout.weight"]
        out = out + self.parameters.get("readout.bias", 0)
        if "skip" in self.parameters:
            out = out + first @ self.parameters["skip"]
        self.out = out + (self.network.output_decay or 0) * self.out
        if self.cut == "layers":
            self.forget()
        return self.out

    def forget(self):
        """Stop what the states of other layers than the owner carry."""
        last = len(self.h) - 1
        self.h = [h if l == self.owner else h.real.astype(complex) for l, h in enumerate(self.h)]
        self.s = [s if l == self.owner else s.real.astype(complex) for l, s in enumerate(self.s)]
        self.r = self.r if last == self.owner else self.r.real.astype(complex)

    def losses(self, inputs, targets, weights):
        """L(t) of each step."""
        outs = [self.step(x) for x in inputs]
        return [
            0.5 * m * np.sum((out - target) ** 2)
            for out, target, m in zip(outs, targets, weights, strict=True)
        ]


def gradients(make, inputs, targets, weights):
    """The derivative of Σ L(t) with respect to each parameter; `make` makes the network anew."""
    gradients = {}
    for name, w in make().parameters.items():
        gradients[name] = np.zeros(w.shape)
        for index in np.ndindex(w.shape):
            network = make()
            network.parameters[name][index] += 1j * STEP
            network.owner = int(name[0]) if name[0].isdigit() else None
            gradients[name][index] = sum(network.losses(inputs, targets, weights)).imag / STEP
    return gradients
