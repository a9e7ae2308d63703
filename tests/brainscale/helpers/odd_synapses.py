"""Models of brainpy's neurons, synapses and projections, unchanged, around trainable operations."""

from __future__ import annotations

import brainpy.state as bp
import brainstate
import braintools
import brainunit as u
import jax.numpy as jnp

import brainscale.nn as nn
from odd_models import K, M, Model, N, array, everything

BARE = braintools.init.ZeroInit()


def connections(seed, k, n, unit, scale, **options):
    return nn.Linear(k, n, scale * array(seed, k, n) * unit, None, **options)


class Readout(Model):
    """A model whose spikes a plain weight reads."""

    def __init__(self, size=N):
        super().__init__()
        self.readout = brainstate.ParamState(array(20, size, M))

    def update(self, x):
        return self.spikes(x) @ self.readout.value


class ExponentialSynapse(Readout):
    """Into a synapse that the neurons own, and by current; a bias beside the weight."""

    def __init__(self):
        super().__init__()
        self.neurons = bp.LIF(N)
        self.into = bp.AlignPostProj(
            comm=nn.Linear(K, N, 8 * array(0, K, N) * u.mS, abs(array(1, N)) * u.mS),
            syn=bp.Expon.desc(N, tau=4 * u.ms),
            out=bp.CUBA.desc(),
            post=self.neurons,
        )

    def spikes(self, x):
        self.into(x)
        return self.neurons()


class SharedDualSynapse(Readout):
    """Input and recurrence into one synapse of two variables, by conductance."""

    def __init__(self):
        super().__init__()
        self.neurons = bp.LIF(N, tau=8 * u.ms)
        shared = {
            "syn": bp.DualExpon.desc(N, tau_rise=2 * u.ms),
            "out": bp.COBA.desc(E=4 * u.mV),
            "post": self.neurons,
        }
        self.into = bp.AlignPostProj(comm=connections(0, K, N, u.siemens, 12.0), **shared)
        self.back = bp.AlignPostProj(comm=connections(1, N, N, u.siemens, 2.0), **shared)

    def spikes(self, x):
        self.back(self.neurons.get_spike())
        self.into(x)
        return self.neurons()


class Plastic(Readout):
    """Recurrence through depression and facilitation, and a synapse of its own, by conductance."""

    def __init__(self):
        super().__init__()
        self.neurons = bp.ALIF(N)
        self.into = bp.CurrentProj(
            comm=connections(0, K, N, u.mS, 9.0), out=bp.CUBA(), post=self.neurons
        )
        self.plasticity = bp.STP(N, U=0.4, tau_f=20 * u.ms, tau_d=9 * u.ms)
        self.back = bp.AlignPostProj(
            self.plasticity,
            comm=connections(1, N, N, u.siemens, 4.0),
            syn=bp.Expon(N, tau=3 * u.ms),
            out=bp.COBA(E=-3 * u.mV),
            post=self.neurons,
        )

    def spikes(self, x):
        self.back(self.neurons.get_spike())
        self.into(x)
        return self.neurons()


class Depressed(Readout):
    """Two layers, the upper's input gated by the depression of what the lower has just emitted."""

    def __init__(self):
        super().__init__(N + 1)
        self.lower, self.upper = bp.LIF(N), bp.ALIF(N + 1)
        self.depression = bp.STD(N, U=0.5, tau=7 * u.ms)
        self.into = bp.DeltaProj(comm=connections(0, K, N, u.mV, 2.0), post=self.lower)
        self.on = bp.AlignPostProj(
            comm=connections(1, N, N + 1, u.mS, 9.0),
            syn=bp.Expon.desc(N + 1),
            out=bp.CUBA.desc(),
            post=self.upper,
        )

    def spikes(self, x):
        self.into(x)
        self.on(self.depression(self.lower()))
        return self.upper()

    def new(self):
        return {self.on.comm.weight: everything}


class BeforeTheOperation(Readout):
    """Synapses that live where spikes come from: one of the input, one of the last spikes."""

    def __init__(self):
        super().__init__()
        self.neurons = bp.LIF(N)
        self.of_input = bp.Alpha(K, g_initializer=BARE)
        self.of_spikes = bp.Expon(N, g_initializer=BARE)
        self.into = bp.CurrentProj(
            comm=connections(0, K, N, u.mS, 30.0), out=bp.CUBA(), post=self.neurons
        )
        self.back = bp.CurrentProj(
            comm=connections(1, N, N, u.siemens, 4.0), out=bp.COBA(-2 * u.mV), post=self.neurons
        )

    def spikes(self, x):
        self.into(self.of_input(x))
        self.back(self.of_spikes(self.neurons.get_spike()))
        return self.neurons()


class Kinetic(Readout):
    """Receptors that open for a time after a spike, blocked by magnesium, of the last spikes."""

    def __init__(self):
        super().__init__()
        self.neurons = bp.LIF(N)
        self.into = bp.CurrentProj(
            comm=connections(0, K, N, u.mS, 9.0), out=bp.CUBA(), post=self.neurons
        )
        timing = {"g_initializer": BARE, "T_dur": 2 * u.ms}
        self.fast, self.slow = bp.AMPA(N, **timing), bp.BioNMDA(N, **timing)
        block = bp.MgBlock(2 * u.mV, 1.2 * u.mM, 0.062 / u.mV, 3.57 * u.mM, 0 * u.mV)
        self.by_fast, self.by_slow = (
            bp.CurrentProj(comm=connections(k, N, N, u.siemens, 4.0), out=out, post=self.neurons)
            for k, out in ((1, bp.COBA(3 * u.mV)), (2, block))
        )

    def init_state(self, batch_size=None, **kwargs):
        self.time = brainstate.ShortTermState(jnp.zeros(()) * u.ms)

    def spikes(self, x):
        last = self.neurons.get_spike() > 0.5
        with brainstate.environ.context(t=self.time.value):
            self.by_fast(self.fast(last))
            self.by_slow(self.slow(last))
        self.time.value = self.time.value + brainstate.environ.get_dt()
        self.into(x)
        return self.neurons()


class Events(Readout):
    """brainpy's own chain of a projection, which hands over an array of events."""

    def __init__(self):
        super().__init__()
        self.neurons = bp.LIF(N)
        self.into = bp.DeltaProj(comm=connections(0, K, N, u.mV, 2.0), post=self.neurons)
        self.back = bp.align_post_projection(
            self.neurons.get_spike,
            comm=connections(1, N, N, u.mS, 9.0),
            syn=bp.Expon.desc(N),
            out=bp.CUBA.desc(),
            post=self.neurons,
        )

    def spikes(self, x):
        self.back()
        self.into(x)
        return self.neurons()


class Delayed(Readout):
    """Spikes that arrive two steps later, in a buffer that is no hidden state and has no batch."""

    batch = None

    def __init__(self):
        super().__init__()
        self.neurons = bp.LIF(N)
        self.into = bp.DeltaProj(comm=connections(0, K, N, u.mV, 2.0), post=self.neurons)
        self.back = bp.AlignPostProj(
            comm=connections(1, N, N, u.mS, 9.0),
            syn=bp.Expon.desc(N),
            out=bp.CUBA.desc(),
            post=self.neurons,
            delay=2 * u.ms,
        )

    def spikes(self, x):
        self.back(self.neurons.get_spike())
        self.into(x)
        return self.neurons()


SYNAPSES = (
    *(ExponentialSynapse, SharedDualSynapse, Plastic, Depressed),
    *(BeforeTheOperation, Kinetic, Events, Delayed),
)
