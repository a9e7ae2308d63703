"""Every kind of wrong thing that an argument may be, by name."""

from __future__ import annotations

import brainevent
import brainstate
import brainunit as u
import jax
import jax.numpy as jnp
import numpy as np

import brainscale

MAX, NAN, INF = 2**70, float("nan"), float("inf")


def _nothing(*args, **kwargs):
    return None


def _text(*args, **kwargs):
    return "x"


def _wrong_shape(*args, **kwargs):
    return jnp.ones((7, 5, 3))


def _not_a_number(*args, **kwargs):
    return NAN


def _quantity(*args, **kwargs):
    return jnp.ones((2, 2)) * u.second


def _complex(*args, **kwargs):
    return jnp.ones((2, 2), jnp.complex64)


def _masked(*args, **kwargs):
    return np.ma.masked_array(np.ones((2, 2)), True)


def _takes_none():
    return 1.0


class _Odd:
    """What anything may be given to, and an object that is nothing."""

    def __init__(self, *args, **kwargs):
        pass


class _Idle(brainstate.nn.Module):
    """A module whose step does nothing."""

    def update(self, *args):
        return None


NUMBERS = {
    "0": 0,
    "1": 1,
    "2": 2,
    "-1": -1,
    "2.5": 2.5,
    "-0.5": -0.5,
    "NaN": NAN,
    "inf": INF,
    "-inf": -INF,
    "True": True,
    "False": False,
    "1j": 1j,
    "2**70": MAX,
    "-2**70": -MAX,
    "1e300": 1e300,
    "NumPy's True": np.True_,
    "NumPy's 3": np.int64(3),
    "a byte": np.int8(2),
    "NumPy's 2.5": np.float32(2.5),
    "JAX's 2": jnp.int32(2),
    "JAX's 2.5": jnp.float32(2.5),
}
ARRAYS = {
    "no numbers": np.ones(0),
    "no rows": jnp.ones((0, 3)),
    "three numbers": np.ones(3),
    "seven numbers": jnp.ones(7),
    "a matrix": np.ones((3, 2)),
    "another matrix": jnp.ones((2, 5)),
    "rank 5": jnp.ones((2, 1, 3, 1, 2)),
    "integers": jnp.ones((3, 2), jnp.int32),
    "booleans": np.ones((3, 2), bool),
    "half": jnp.ones((3, 2), jnp.float16),
    "complex numbers": jnp.ones((3, 2), jnp.complex64),
    "NaNs": np.full((3, 2), np.nan),
    "infinities": jnp.full((2, 3), jnp.inf),
    "a masked array": np.ma.masked_array([1.0, 2.0], [0, 1]),
    "texts in an array": np.array(["a"]),
    "objects in an array": np.array([None, 1]),
    "long doubles": np.ones(3, np.longdouble),
    "dates": np.zeros(3, "datetime64[s]"),
    "records": np.zeros(3, [("a", float)]),
    "a key": jax.random.key(0),
    "a shape alone": jax.ShapeDtypeStruct((3, 2), jnp.float32),
}
QUANTITIES = {
    "1 ms": 1.0 * u.ms,
    "0 ms": 0.0 * u.ms,
    "-1 ms": -1.0 * u.ms,
    "NaN ms": NAN * u.ms,
    "inf ms": INF * u.ms,
    "complex ms": u.Quantity(jnp.ones(2, jnp.complex64), unit=u.ms),
    "many ms": np.ones(7) * u.ms,
    "an int of ms": u.Quantity(1, unit=u.ms),
    "1 mV": 1.0 * u.mV,
    "NaN mV": NAN * u.mV,
    "-inf mV": -INF * u.mV,
    "many mV": jnp.ones((3, 7)) * u.mV,
    "no mV": jnp.ones(0) * u.mV,
    "1 nA": 1.0 * u.nA,
    "NaN nA": NAN * u.nA,
    "many nA": jnp.ones((3, 7)) * u.nA,
    "1 um": 1.0 * u.um,
    "0 um": 0.0 * u.um,
    "1 S/cm2": 1.0 * u.siemens / u.cm**2,
    "a unit": u.mV,
    "masked mV": u.Quantity(np.ma.masked_array([1.0], [1]), unit=u.mV),
}
CONTAINERS = {
    "()": (),
    "(2, 3)": (2, 3),
    "[2, 3]": [2, 3],
    "(-1, 2)": (-1, 2),
    "(0,)": (0,),
    "(2.5,)": (2.5,),
    "(None,)": (None,),
    "((1, 2), (3,))": ((1, 2), (3,)),
    "[[]]": [[]],
    "[NaN]": [NAN],
    "('x', 'y')": ("x", "y"),
    "{}": {},
    "{'weight': 1}": {"weight": 1},
    "{'weight': array}": {"weight": np.ones((3, 2)), "more": None},
    "{1: 2}": {1: 2},
    "a set": {1, 2},
    "range": range(3),
}
OTHERS = {
    "None": None,
    "'x'": "x",
    "''": "",
    "b'x'": b"x",
    "...": ...,
    "an object": _Odd(),
    "a class": _Odd,
    "repr": repr,
    "a module": np,
    "id": id,
    "a function of nothing": _takes_none,
    "a function to None": _nothing,
    "a function to a text": _text,
    "a function to another shape": _wrong_shape,
    "a function to NaN": _not_a_number,
    "a function to seconds": _quantity,
    "a function to complex numbers": _complex,
    "a function to a masked array": _masked,
    "a state": brainstate.HiddenState(jnp.ones(2)),
    "a parameter": brainstate.ParamState(jnp.ones((3, 2))),
    "a traced parameter": brainscale.ETraceParam(jnp.ones((3, 2)), brainscale.MatMulOp()),
    "a module of nothing": _Idle(),
    "an operation": brainscale.MatMulOp(),
    "a sparse matrix": brainevent.CSR.fromdense(np.eye(3, dtype=np.float32)),
    "several steps": brainscale.MultiStepData(jnp.ones((2, 3))),
    "a step": brainscale.SingleStepData(jnp.ones(3)),
}
WRONG = {**NUMBERS, **ARRAYS, **QUANTITIES, **CONTAINERS, **OTHERS}
