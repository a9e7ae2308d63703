"""The networks of SPEC.md, chapter 10, as models of brainstate, brainpy and `brainscale`."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterator, Mapping
from typing import Any

import brainpy.state
import brainstate
import brainunit as u
import jax.numpy as jnp
import numpy as np

import brainscale
from conformance.adapters.brainscale_operations import (
    FUNCTIONS,
    KINDS_OF_OPERATIONS,
    DenseLayerOperation,
    LayerOperation,
    array_of,
)
from conformance.adapters.brainunit_values import native
from conformance.protocol.problems import Layer, Network

_SOMA, _REST, _SCALE = "soma(0.5)", -70.0, 10.0


def _add_batch(shape: tuple[int, ...], batch: int | None) -> tuple[int, ...]:
    """Put the axis of a batch, if there is one, in front of a shape."""
    return tuple(shape) if batch is None else (batch, *shape)


class Leaky(brainpy.state.Neuron):
    """`leaky`."""

    def __init__(self, size: int, tau: Any = 5.0 * u.ms):
        super().__init__(size)
        self.tau = tau

    def init_state(self, batch_size: int | None = None, **kwargs: Any) -> None:
        shape = _add_batch(self.varshape, batch_size)
        self.h = brainscale.ETraceState(array_of(np.zeros(shape)))

    def update(self, y: Any) -> Any:
        decay = u.math.exp(-brainstate.environ.get_dt() / self.tau)
        self.h.value = (decay * self.h.value + y).astype(self.h.value.dtype)
        return self.h.value

    def emission(self) -> Any:
        return self.h.value


class LRU(brainpy.state.Neuron):
    """`LRU`, whose state is complex."""

    def __init__(self, size: int, tau: Any = 5.0 * u.ms, omega: Any = 0.5 / u.ms):
        super().__init__(size)
        self.tau, self.omega = tau, omega

    def init_state(self, batch_size: int | None = None, **kwargs: Any) -> None:
        shape = _add_batch(self.varshape, batch_size)
        dtype = jnp.promote_types(brainstate.environ.dftype(), jnp.complex64)
        self.z = brainscale.ETraceState(jnp.zeros(shape, dtype))

    def update(self, y: Any) -> Any:
        dt = brainstate.environ.get_dt()
        decay, angle = u.math.exp(-dt / self.tau), u.maybe_decimal(self.omega * dt)
        z = decay * jnp.exp(1j * angle) * self.z.value
        self.z.value = (z + y).astype(self.z.value.dtype)
        return self.z.value.real

    def emission(self) -> Any:
        return self.z.value.real


class SynapseLIF(brainpy.state.LIF):
    """`synapse_LIF`: its V reads the synapse's new g."""

    def __init__(self, size: int, tau_s: Any = 10.0 * u.ms, **parameters: Any):
        super().__init__(size, **parameters)
        self.tau_s = tau_s

    def init_state(self, batch_size: int | None = None, **kwargs: Any) -> None:
        shape = _add_batch(self.varshape, batch_size)
        self.g = brainscale.ETraceState(array_of(np.zeros(shape)) * u.mA)
        super().init_state(batch_size)

    def update(self, y: Any) -> Any:
        decay = u.math.exp(-brainstate.environ.get_dt() / self.tau_s)
        g = decay * self.g.value + y
        self.g.value = g.astype(self.g.value.dtype)
        return super().update(g)


def three_sections() -> brainscale.nn.Morphology:
    """The three-section cell of CABLE-8."""
    return brainscale.nn.Morphology(
        brainscale.nn.Section("soma", length=20 * u.um, diam=10 * u.um),
        brainscale.nn.Section("axon", 2, length=100 * u.um, diam=1 * u.um, parent="soma"),
        brainscale.nn.Section(
            "dendrite",
            3,
            positions=np.array([[0.0, 0, 0], [100, 0, 0], [200, 0, 0]]) * u.um,
            diams=np.array([2.0, 3, 2]) * u.um,
            parent="soma",
        ),
    )


class Cable(brainscale.nn.PassiveCable):
    """`cable`: driven and read at the soma."""

    def __init__(self, size: int, **parameters: Any):
        super().__init__(size, three_sections(), **parameters)

    def update(self, y: Any) -> Any:
        super().update({_SOMA: y})
        return self.emission()

    def emission(self) -> Any:
        return (self.V.value.mantissa[..., 0] - _REST) / _SCALE


KINDS = {
    "leaky": Leaky,
    "LRU": LRU,
    "LIF": brainpy.state.LIF,
    "ALIF": brainpy.state.ALIF,
    "synapse_LIF": SynapseLIF,
    "GIF": brainscale.nn.GIF,
    "GIFTree": brainscale.nn.GIFTree,
    "cable": Cable,
}
VARIABLES = {
    "leaky": ("h",),
    "LRU": ("z",),
    "LIF": ("V",),
    "ALIF": ("V", "a"),
    "synapse_LIF": ("g", "V"),
    "GIF": ("I1", "I2", "V", "V_th"),
    "GIFTree": ("state",),
    "cable": ("V",),
}
UNITS = {"leaky": u.UNITLESS, "LRU": u.UNITLESS, "GIF": u.nA, "GIFTree": u.nA, "cable": u.nA}


def check_network(network: Network, rules: Collection[str], rule: str, inputs: Any) -> None:
    """Refuse networks, rules and inputs that no model has (NET-4 to NET-6).

    Raises
    ------
    ShapeError, ParameterError, ValueTypeError
    """
    if not network.layers:
        raise brainscale.errors.ShapeError("the network has no layers, it needs at least one")
    if rule not in rules:
        raise brainscale.errors.ParameterError(f"no rule {rule!r}, there are {[*rules]}")
    if 0 in np.shape(inputs)[:2]:
        raise brainscale.errors.ShapeError(f"inputs have no step or no batch: {np.shape(inputs)}")
    for layer in network.layers:
        if layer.kind not in KINDS:
            raise brainscale.errors.ParameterError(f"no neurons {layer.kind!r}, but {[*KINDS]}")
        if layer.operation.kind not in KINDS_OF_OPERATIONS:
            kinds = f"no operation {layer.operation.kind!r}, but {KINDS_OF_OPERATIONS}"
            raise brainscale.errors.ParameterError(kinds)
        is_element_wise = layer.recurrent is not None and np.ndim(layer.recurrent) < 2
        if is_element_wise and layer.kind in ("GIF", "GIFTree"):
            raise brainscale.errors.ParameterError(
                f"an element-wise recurrence of {layer.kind}, whose emission is no function of its "
                "state: make it dense, or none"
            )
        is_dense = layer.operation.kind == "dense"
        is_misshapen = np.shape(layer.bias) not in ((), (1,), _biases(layer))
        if is_dense and layer.bias is not None and is_misshapen:
            got = f"a bias of shape {np.shape(layer.bias)}"
            raise brainscale.errors.ShapeError(f"{got}, not {_biases(layer)}, () or (1,)")
    for array in _arrays((network, inputs)):
        if isinstance(array, np.ma.MaskedArray):  # JAX would lose its mask.
            raise brainscale.errors.ValueTypeError(f"a masked array where one is needed: {array}")


def _biases(layer: Layer) -> tuple[int, ...]:
    """The shape of the biases of a dense layer."""
    return np.shape(layer.weight)[-1:]


def _arrays(thing: Any) -> Iterator[np.ndarray]:
    """The arrays of a network and its parts."""
    if isinstance(thing, np.ndarray):
        yield thing
    elif dataclasses.is_dataclass(thing):
        yield from _arrays(tuple(vars(thing).values()))
    elif isinstance(thing, Mapping):
        yield from _arrays(tuple(thing.values()))
    elif isinstance(thing, tuple):
        for part in thing:
            yield from _arrays(part)


class Operations:
    """Makes what is trained with a trace: it is a state, and `execute` is its operation."""

    def dense(self, value: Any, mask: Any = None, function: str = "identity") -> Any:
        return brainscale.ETraceParam(value, brainscale.MatMulOp(mask, FUNCTIONS[function]))

    def element_wise(self, value: Any) -> Any:
        return brainscale.ElemWiseParam(value)


@dataclasses.dataclass(frozen=True)
class Form:
    """The form of a model that a rule needs."""

    #: A bias is a parameter of its own.
    own_bias: bool = False
    #: The readout's weight is a plain parameter with an operation.
    plain_operation: bool = False
    #: A fixed lateral path has what was emitted, which rules with traces would refuse otherwise.
    any_path: bool = False


class Population(brainstate.nn.Module):
    """A layer."""

    def __init__(self, layer: Layer, operations: Operations, tied: Any, form: Form):
        super().__init__()
        self.kind = layer.kind
        unit = UNITS.get(layer.kind, u.mA)

        def parameter(array: np.ndarray) -> Any:
            value = array_of(array)
            return value if unit is u.UNITLESS else value * unit

        if layer.operation.kind == "dense":
            value = {"weight": parameter(layer.weight)}
            is_own = np.shape(layer.bias) == _biases(layer)
            if layer.bias is not None and is_own and not form.own_bias:
                value["bias"] = parameter(layer.bias)
            param = tied or operations.dense(value, layer.mask, layer.weight_function)
            self.operation = DenseLayerOperation(param, layer)
            #: A weight of another layer has that one's unit, and here the same numbers.
            self.own_unit = unit if tied else None
        else:
            self.operation = LayerOperation(layer, parameter, form.own_bias)
            self.own_unit = None
        self.weight, self.bias = self.operation.param, None
        if layer.bias is not None and "bias" not in self.operation.keys:
            self.bias = operations.element_wise(parameter(layer.bias))
        # Neurons of brainpy compute with a parameter's own precision.
        dtype = brainstate.environ.dftype()
        values = {name: native(value) for name, value in layer.parameters.items()}
        neuron_parameters = {name: value.astype(dtype) for name, value in values.items()}
        self.neurons = KINDS[layer.kind](self.operation.size(), **neuron_parameters)
        self.element_wise = layer.recurrent is not None and layer.recurrent.ndim < 2
        self.recurrent = None
        if self.element_wise:
            self.recurrent = operations.element_wise(parameter(layer.recurrent))
        elif layer.recurrent is not None:
            self.recurrent = operations.dense(parameter(layer.recurrent), layer.recurrent_mask)
        self.lateral = None if layer.lateral is None else parameter(layer.lateral)
        self.any_path = form.any_path

    def init_state(self, batch_size: int | None = None, **kwargs: Any) -> None:
        shape = _add_batch(self.neurons.varshape, batch_size)
        self.emitted = brainstate.ShortTermState(array_of(np.zeros(shape)))

    def update(self, x: Any) -> Any:
        y = self.operation.execute(x)
        if self.own_unit is not None:
            y = u.get_mantissa(y) * self.own_unit
        if self.bias is not None:
            y = y + self.bias.execute()
        if self.element_wise:
            y = y + self.recurrent.execute() * self._emission()
        elif self.recurrent is not None:
            y = y + self.recurrent.execute(self.emitted.value)
        if self.lateral is not None:
            is_past = self.any_path and not self.element_wise
            s = self.emitted.value if is_past else self._emission()
            y = y + u.math.matmul(s, self.lateral)
        s = self.neurons(y)
        self.emitted.value = s.astype(self.emitted.value.dtype)
        return s

    def _emission(self) -> Any:
        if hasattr(self.neurons, "emission"):
            return self.neurons.emission()
        return self.neurons.get_spike()

    def arrays(self) -> dict[str, tuple[Any, str | None]]:
        """By names in the protocol, the parameters with traces and the keys in them."""
        arrays = {name: (self.weight, key) for name, key in self.operation.keys.items()}
        for name in ("bias", "recurrent"):
            if getattr(self, name) is not None:
                arrays[name] = getattr(self, name), None
        return arrays

    def hidden(self) -> Any:
        """The neurons' variables, (..., d)."""
        values = []
        for name in VARIABLES[self.kind]:
            value = getattr(self.neurons, name).value
            values += list(value.values()) if isinstance(value, dict) else [value]
        if self.kind == "cable":
            return values[0].mantissa
        if self.kind == "LRU":
            values = [values[0].real, values[0].imag]
        return jnp.stack([u.get_mantissa(value) for value in values], -1)


class Model(brainstate.nn.Module):
    """A network, which keeps what its layers emit."""

    def __init__(
        self, network: Network, operations: Operations | None = None, form: Form | None = None
    ):
        super().__init__()
        operations, form = operations or Operations(), form or Form()
        self.layers = []
        for l, layer in enumerate(network.layers):
            tied = self.layers[0].weight if network.tied and l == 1 else None
            self.layers.append(Population(layer, operations, tied, form))
        weight, self.readout_bias = array_of(network.readout), None
        bias = network.readout_bias
        bias = None if bias is None else array_of(bias)
        self.filtered = None
        if network.readout_decay:
            tau = -brainstate.environ.get_dt() / np.log(network.readout_decay)
            self.filtered = brainscale.nn.FilteredReadout(*weight.shape, tau, weight, bias)
            self.readout = self.filtered.linear.weight
        elif form.plain_operation:
            self.readout = brainscale.NonTempParam(weight, brainscale.MatMulOp())
        else:
            self.readout = brainstate.ParamState(weight)
        if bias is not None and self.filtered is None:
            self.readout_bias = brainstate.ParamState(bias)
        self.skip = None
        if network.skip is not None:
            self.skip = operations.dense(array_of(network.skip))
        self.output_decay = network.output_decay
        self.size = weight.shape[1]

    def init_state(self, batch_size: int | None = None, **kwargs: Any) -> None:
        if self.output_decay is not None:
            shape = (batch_size, self.size)
            self.out = brainstate.ShortTermState(array_of(np.zeros(shape)))

    def update(self, x: Any) -> Any:
        s = x
        for layer in self.layers:
            s = layer(s)
        out = self._read(s)
        if self.readout_bias is not None:
            out = out + self.readout_bias.value
        if self.skip is not None:
            out = out + self.skip.execute(x)
        if self.output_decay is not None:
            out = out + self.output_decay * self.out.value
            self.out.value = out
        return out

    def _read(self, s: Any) -> Any:
        if self.filtered is not None:
            return self.filtered(s)
        if isinstance(self.readout, brainscale.NonTempParam):
            return self.readout.execute(s)
        return s @ self.readout.value

    def variables(self, l: int) -> tuple[str, ...]:
        """The names of the variables of a layer's neurons."""
        leaky = self.filtered is not None and l == len(self.layers) - 1
        return VARIABLES[self.layers[l].kind] + (("r",) if leaky else ())

    def hidden(self) -> list[Any]:
        """For each layer the neurons' variables, (..., d)."""
        variables = [layer.hidden() for layer in self.layers]
        if self.filtered is not None:
            variables[-1] = jnp.concatenate([variables[-1], self.filtered.r.value[..., None]], -1)
        return variables

    def parameter_places(self) -> dict[str, tuple[brainstate.ParamState, str | None]]:
        """By the parameters' names: the state, and the key of its value that holds it."""
        places: dict[str, tuple[brainstate.ParamState, str | None]] = {}
        for l, layer in enumerate(self.layers):
            for name, (param, key) in layer.arrays().items():
                if not (l > 0 and param is self.layers[0].weight):
                    places[f"{l}.{name}"] = param, key
        value = self.readout.value
        keys = value if isinstance(value, dict) else {"weight": value}
        for part in keys:
            places[f"readout.{part}"] = self.readout, part if isinstance(value, dict) else None
        if self.readout_bias is not None:
            places["readout.bias"] = self.readout_bias, None
        if self.skip is not None:
            places["skip"] = self.skip, None
        return places
