"""Wrong passive cables, of right morphologies."""

from __future__ import annotations

import numpy as np

import reference

from .cable_bases import cables_with, of_cables, of_states
from .wrong import Wrong


class OneState(reference.ETraceGroupState):
    """A group of compartments counted as one."""

    @property
    def num_state(self):
        return 1


class WithCompartments(reference.ETraceGroupState):
    @property
    def varshape(self):
        return self.value.array.shape


def starts_at_rest(self, batch=()):
    shape = (*batch, *self.size, len(self.morphology))
    return reference.Quantity(np.full(shape, -70.0), "mV")


class Explicit(reference.Cable):
    """V' from the currents at V."""

    def advance(self, system, V, I):
        n = len(V)
        g = self.morphology.coupling()
        shape = (n, n, *(1,) * (V.ndim - 1))
        flow = (g.reshape(shape) * (V[np.newaxis] - V[:, np.newaxis])).sum(1)
        out = np.zeros_like(system.leak)
        leak = system.leak[:n] - (system.e[:n] - system.per_dt) * V
        out[:n] = V + (leak + flow + I) / system.per_dt
        return out

    def run(self, V, currents, dt):
        return stepwise(self, V, currents, dt)


def stepwise(cable, V, currents, dt):
    """A run, step by step."""
    values = []
    for row in currents.array:
        V = cable.step(V, reference.Quantity(row, "nA"), dt)
        values.append(V.array)
    return reference.Quantity(np.array(values), "mV")


class Stepwise(reference.Cable):
    def run(self, V, currents, dt):
        return stepwise(self, V, currents, dt)


class CrankNicolson(Stepwise):
    def advance(self, system, V, I):
        half = self.system_of_half(system)
        return 2 * super().advance(half, V, I) - _padded(V, system)

    def system_of_half(self, system):
        G = system.e.copy()
        G[: len(system.per_dt)] -= system.per_dt
        e = G.copy()
        e[: len(system.per_dt)] += 2 * system.per_dt
        return system._replace(e=e, per_dt=2 * system.per_dt)


def _padded(V, system):
    out = np.zeros_like(system.leak)
    out[: len(V)] = V
    return out


class JunctionsHaveArea(reference.Cable):
    def system(self, dt, shape):
        system = super().system(dt, shape)
        n = shape[0]
        e = system.e.copy()
        e[n:] = 1e-3 * system.per_dt.mean(0)
        return system._replace(e=e)


def leak_without_reversal(self, dt, shape):
    system = reference.Cable.system(self, dt, shape)
    return system._replace(leak=0 * system.leak)


def leak_sign(self, dt, shape):
    system = reference.Cable.system(self, dt, shape)
    return system._replace(leak=-system.leak)


def leak_conductance_off(self):
    return 0 * self.g + self.g * self.morphology.area.mean() * 1e-2


def capacitance_of_the_first(self):
    m = self.morphology
    return m.cm[0] * m.area * 1e-5


def one_capacitance(self):
    m = self.morphology
    return np.full(len(m), (m.cm * m.area).mean() * 1e-5)


class LateCurrent(Stepwise):
    """The current of the step before."""

    last = None

    def run(self, V, currents, dt):
        late = np.concatenate([0 * currents.array[:1], currents.array[:-1]])
        return super().run(V, reference.Quantity(late, "nA"), dt)


class CurrentDensity(reference.Cable):
    """The current spread over the cell by area."""

    def current(self, current, shape):
        I = super().current(current, shape)
        area = self.morphology.area.reshape((-1, *(1,) * (I.ndim - 1)))
        return I.sum(0) * area / area.sum()


class LastSite(reference.Cable):
    """Of several currents into one compartment the last one counts."""

    def current(self, current, shape):
        if not hasattr(current, "items"):
            return super().current(current, shape)
        total = np.zeros(shape)
        for site, value in current.items():
            total[self.morphology.site(site)] = super().current({site: value}, shape)[
                self.morphology.site(site)
            ]
        return total


class SitesInTheNextCompartment(reference.Cable):
    def current(self, current, shape):
        I = super().current(current, shape)
        return np.roll(I, 1, axis=0) if hasattr(current, "items") else I


class LeakOfTheFirstNeuron(reference.Cable):
    def leak_conductance(self):
        G = super().leak_conductance()
        if G.ndim == 1:
            return G
        first = G.reshape(len(G), -1)[:, :1].reshape(len(G), *(1,) * (G.ndim - 1))
        return np.broadcast_to(first, G.shape).copy()


class ReversalOfTheSoma(reference.Cable):
    def system(self, dt, shape):
        kept = self.E
        self.E = np.broadcast_to(self.E[:1], self.E.shape)
        try:
            return super().system(dt, shape)
        finally:
            self.E = kept


class MeanOverTheBatch(Stepwise):
    def advance(self, system, V, I):
        out = super().advance(system, V, I)
        if out.ndim > 1 and out.shape[-1] > 1:
            out = 0.999 * out + 0.001 * out.mean(-1, keepdims=True)
        return out


def transposed(self, dt):
    jacobian = reference.Cable.jacobian(self, dt)
    return jacobian._replace(state=np.swapaxes(jacobian.state, 0, 1))


def without_capacitance(self, dt):
    jacobian = reference.Cable.jacobian(self, dt)
    return jacobian._replace(state=jacobian.current)


def diagonal(self, dt):
    jacobian = reference.Cable.jacobian(self, dt)
    keep = np.eye(len(jacobian.state), dtype=bool)
    keep = keep.reshape((*keep.shape, *(1,) * (jacobian.state.ndim - 2)))
    return jacobian._replace(state=np.where(keep, jacobian.state, 0))


def current_per_charge(self, dt):
    jacobian = reference.Cable.jacobian(self, dt)
    return jacobian._replace(current=jacobian.state)


class Rounded(Stepwise):
    """Potentials of 32 bits."""

    def advance(self, system, V, I):
        return super().advance(system, V, I).astype(np.float32).astype(float)


def rounded_derivative(self, dt):
    jacobian = reference.Cable.jacobian(self, dt)
    return type(jacobian)(*(x.astype(np.float32).astype(float) for x in jacobian))


WRONG_CABLES = [
    Wrong("one_state_per_cell", of_states(OneState), ("CABLE-1",)),
    Wrong("compartments_in_varshape", of_states(WithCompartments), ("CABLE-1",)),
    Wrong(
        "starts_at_rest", cables_with(initial=starts_at_rest), ("CABLE-1", "CABLE-8", "CABLE-10")
    ),
    Wrong(
        "explicit_euler",
        of_cables(Explicit),
        ("CABLE-2", "CABLE-4", "CABLE-5", "CABLE-6", "CABLE-8", "CABLE-10", "NUM-6"),
    ),
    Wrong(
        "crank_nicolson",
        of_cables(CrankNicolson),
        ("CABLE-2", "CABLE-4", "CABLE-5", "CABLE-6", "CABLE-8", "CABLE-10", "NUM-6"),
    ),
    Wrong(
        "junctions_have_area",
        of_cables(JunctionsHaveArea),
        (
            "CABLE-2",
            "CABLE-3",
            "CABLE-4",
            "CABLE-5",
            "CABLE-6",
            "CABLE-8",
            "CABLE-9",
            "CABLE-10",
            "NUM-6",
            "NUM-7",
        ),
    ),
    Wrong(
        "leak_without_reversal",
        cables_with(system=leak_without_reversal),
        ("CABLE-4", "CABLE-2", "CABLE-5", "CABLE-6", "CABLE-8", "CABLE-10", "NUM-6"),
    ),
    Wrong(
        "leak_of_the_wrong_sign",
        cables_with(system=leak_sign),
        ("CABLE-2", "CABLE-4", "CABLE-5", "CABLE-6", "CABLE-8", "CABLE-10", "NUM-6"),
    ),
    Wrong(
        "leak_of_the_mean_area",
        cables_with(leak_conductance=leak_conductance_off),
        (
            "CABLE-2",
            "CABLE-4",
            "CABLE-5",
            "CABLE-6",
            "CABLE-8",
            "CABLE-9",
            "CABLE-10",
            "NUM-6",
            "NUM-7",
        ),
    ),
    Wrong(
        "capacitance_of_the_first",
        cables_with(capacitance=capacitance_of_the_first),
        ("CABLE-6", "CABLE-2", "CABLE-3", "CABLE-9", "NUM-6", "NUM-7", "CABLE-4"),
    ),
    Wrong(
        "one_capacitance",
        cables_with(capacitance=one_capacitance),
        (
            "CABLE-3",
            "CABLE-2",
            "CABLE-4",
            "CABLE-5",
            "CABLE-6",
            "CABLE-8",
            "CABLE-9",
            "CABLE-10",
            "NUM-6",
            "NUM-7",
        ),
    ),
    Wrong(
        "late_current",
        of_cables(LateCurrent),
        ("CABLE-8", "CABLE-2", "NUM-6", "CABLE-10", "CABLE-5"),
    ),
    Wrong(
        "current_spread_over_the_cell",
        of_cables(CurrentDensity),
        ("CABLE-5", "CABLE-2", "CABLE-6", "CABLE-8", "CABLE-10", "NUM-6"),
    ),
    Wrong("last_of_several_currents", of_cables(LastSite), ("CABLE-5",)),
    Wrong("sites_in_the_next_compartment", of_cables(SitesInTheNextCompartment), ("CABLE-5",)),
    Wrong(
        "leak_of_the_first_neuron",
        of_cables(LeakOfTheFirstNeuron),
        (
            "CABLE-6",
            "CABLE-2",
            "CABLE-5",
            "CABLE-7",
            "NUM-6",
            "CABLE-10",
            "CABLE-3",
            "CABLE-4",
            "CABLE-8",
        ),
    ),
    Wrong(
        "reversal_of_the_first_compartment",
        of_cables(ReversalOfTheSoma),
        ("CABLE-6", "CABLE-2", "CABLE-5", "NUM-6", "CABLE-10", "CABLE-8"),
    ),
    Wrong(
        "neighbours_mix",
        of_cables(MeanOverTheBatch),
        (
            "CABLE-7",
            "CABLE-2",
            "CABLE-3",
            "CABLE-5",
            "CABLE-6",
            "CABLE-10",
            "NUM-6",
            "CABLE-4",
            "CABLE-8",
        ),
    ),
    Wrong("derivative_transposed", cables_with(jacobian=transposed), ("CABLE-9", "NUM-7")),
    Wrong(
        "derivative_without_capacitance",
        cables_with(jacobian=without_capacitance),
        ("CABLE-9", "NUM-7"),
    ),
    Wrong("derivative_of_the_diagonal", cables_with(jacobian=diagonal), ("CABLE-9", "NUM-7")),
    Wrong("derivative_by_charge", cables_with(jacobian=current_per_charge), ("CABLE-9", "NUM-7")),
    Wrong(
        "steps_of_single_precision",
        of_cables(Rounded),
        (
            "NUM-6",
            "CABLE-12",
            "CABLE-13",
            "CABLE-2",
            "CABLE-3",
            "CABLE-4",
            "CABLE-5",
            "CABLE-6",
            "CABLE-8",
            "CABLE-10",
        ),
    ),
    Wrong(
        "derivative_of_single_precision",
        cables_with(jacobian=rounded_derivative),
        ("NUM-7", "CABLE-9"),
    ),
]
