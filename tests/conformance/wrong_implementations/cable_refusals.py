"""Wrong cables: they take what must be refused."""

from __future__ import annotations

import numpy as np

import reference
from conformance.protocol.implementation import Value

from .cable_bases import CableAdapter, of_cables
from .wrong import Wrong


class NegativeLeak(reference.Cable):
    def _read(self, name, parameters):
        if name == "g" and "g" in parameters:
            g = parameters["g"]
            if isinstance(g, reference.Quantity) and np.all(np.isfinite(g.array)):
                parameters = {**parameters, "g": reference.Quantity(np.abs(g.array), g.unit)}
        return super()._read(name, parameters)


class BareCurrents(CableAdapter):
    def cable_step(self, size, sections, parameters, V, current, dt):
        if isinstance(current, Value) and current.unit is None:
            current = Value(current.array, "nA")
        return super().cable_step(size, sections, parameters, V, current, dt)


class AnyCurrent(CableAdapter):
    """A current that is not finite is none."""

    def cable_step(self, size, sections, parameters, V, current, dt):
        if isinstance(current, Value) and not np.all(np.isfinite(current.array)):
            current = Value(np.nan_to_num(current.array, posinf=0, neginf=0), current.unit)
        return super().cable_step(size, sections, parameters, V, current, dt)


class NegativeSteps(CableAdapter):
    def cable_step(self, size, sections, parameters, V, current, dt):
        if isinstance(dt, Value) and dt.array.ndim == 0 and dt.array < 0:
            dt = Value(-dt.array, dt.unit)
        return super().cable_step(size, sections, parameters, V, current, dt)


WRONG_CABLE_REFUSALS = [
    Wrong("negative_leak", of_cables(NegativeLeak), ("CABLE-10", "ERR-1", "ERR-2")),
    Wrong("bare_currents", BareCurrents, ("CABLE-10",)),
    Wrong("negative_steps", NegativeSteps, ("CABLE-10", "ERR-1", "ERR-2")),
    Wrong("any_current", AnyCurrent, ("CABLE-11",)),
]
