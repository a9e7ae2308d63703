"""Wrong GIF neurons: one call or one method takes what it is handed over otherwise than others."""

from __future__ import annotations

import numpy as np

from conformance.drawing.populations import STATE_UNITS, UNITS

from .gif_bases import Gif
from .handed_over import (
    altering,
    at,
    in_unit,
    in_units,
    is_single,
    is_whole,
    of_numbers,
    refusing,
    shape,
)
from .wrong import Wrong

STEP, RUN, JACOBIAN = "gif_step", "gif_run", "gif_jacobian"
BOTH = [STEP, RUN]
ALL = [*BOTH, JACOBIAN]
PARAMETERS, STATE, CURRENT, DT = 1, 2, 3, 4

IN_TABLE = at(STATE, in_units(STATE_UNITS))
IN_PARAMETERS = at(PARAMETERS, in_units({name: unit for name, unit in UNITS.items() if unit}))
IN_NANOAMPERE, IN_MS = at(CURRENT, in_unit("nA")), at(DT, in_unit("ms"))
NO_NAN = at(CURRENT, of_numbers(np.nan_to_num))
NO_SIGN = at(DT, of_numbers(np.abs))

EXP_EULER = "exp_euler"
ANY = ("GIF", "NUM", "CONF-3")
"""What whole steps judge."""


def few(size, parameters, *others):
    return len(parameters) < 14


def narrow(size, parameters, state, current, dt):
    return shape(current) != shape(state["V"])


def vanishing(name):
    return lambda size, parameters, *others: np.any(np.asarray(parameters[name].array) == 0)


def whole_parameters(size, parameters, *others):
    return any(map(is_whole, parameters.values()))


class RunsFromTheFirst(Gif):
    """A run takes one argument from the first run of the same structure."""

    position = DT

    def __init__(self):
        self.kept = {}

    def gif_run(self, size, *arguments, **options):
        call = [size, *arguments]
        parameters, state, currents, _ = arguments
        shapes = [(name, shape(x)) for name, x in sorted({**parameters, **state}.items())]
        key = str((size, shapes, shape(currents), options))
        call[self.position] = self.kept.setdefault(key, call[self.position])
        return super().gif_run(*call, **options)


class RunsOfTheFirstParameters(RunsFromTheFirst):
    position = PARAMETERS


def made(name, adapter, *clauses):
    return Wrong(name, adapter, clauses)


WRONG_GIF_CALLS = [
    *(
        made(f"state_of_{word}_in_the_tables_units", altering(Gif, [method], IN_TABLE), "GIF-22")
        for word, method in (("steps", STEP), ("runs", RUN), ("derivatives", JACOBIAN))
    ),
    made("exp_euler_in_milliseconds", altering(Gif, BOTH, IN_MS, EXP_EULER), "GIF-19"),
    made("exp_euler_in_nanoampere", altering(Gif, BOTH, IN_NANOAMPERE, EXP_EULER), "GIF-20"),
    made(
        "exp_euler_in_the_tables_units",
        altering(Gif, BOTH, IN_PARAMETERS, EXP_EULER),
        *("GIF-1", "GIF-18"),
    ),
    made("exp_euler_broadcasts_nothing", refusing(Gif, BOTH, narrow, EXP_EULER), "GIF-20", "GIF"),
    made("exp_euler_of_all_parameters", refusing(Gif, BOTH, few, EXP_EULER), "GIF-1", "GIF"),
    made("exp_euler_takes_nan_for_zero", altering(Gif, BOTH, NO_NAN, EXP_EULER), "GIF-21"),
    made("exp_euler_backwards", altering(Gif, BOTH, NO_SIGN, EXP_EULER), "GIF-19"),
    made("derivative_backwards", altering(Gif, [JACOBIAN], NO_SIGN), "GIF-19"),
    made("derivative_takes_nan_for_zero", altering(Gif, [JACOBIAN], NO_NAN), "GIF-21"),
    made("derivative_broadcasts_nothing", refusing(Gif, [JACOBIAN], narrow), "GIF-20", "GIF"),
    made("derivative_of_all_parameters", refusing(Gif, [JACOBIAN], few), "GIF-1", "CONF-3"),
    made("derivative_in_milliseconds", altering(Gif, [JACOBIAN], IN_MS), "GIF-19", "GIF-14"),
    made(
        "derivative_in_the_tables_units",
        altering(Gif, [JACOBIAN], IN_PARAMETERS),
        *("GIF-1", "GIF-18", "GIF-14"),
    ),
    made("derivative_of_whole_parameters", refusing(Gif, [JACOBIAN], whole_parameters), "GIF-18"),
    made(
        "runs_of_whole_currents",
        refusing(Gif, [RUN], lambda size, p, state, current, dt: is_whole(current)),
        "GIF-20",
    ),
    made(
        "whole_states_refused",
        refusing(Gif, ALL, lambda size, p, state, *others: is_whole(state["V"])),
        "GIF-22",
    ),
    made(
        "single_states_refused",
        refusing(Gif, ALL, lambda size, p, state, *others: is_single(state["V"])),
        "GIF-22",
    ),
    made(
        "whole_lengths_refused",
        refusing(Gif, [RUN, JACOBIAN], lambda *arguments: is_whole(arguments[DT])),
        "GIF-19",
    ),
    made(
        "single_lengths_refused",
        refusing(Gif, ALL, lambda *arguments: is_single(arguments[DT])),
        "GIF-19",
    ),
    made("no_resistance_refused", refusing(Gif, ALL, vanishing("R")), "GIF-18", *ANY),
    made("derivative_without_coupling", refusing(Gif, [JACOBIAN], vanishing("a")), "GIF-18", *ANY),
    made("runs_of_the_first_length", RunsFromTheFirst, "GIF-9", "GIF", "NUM-3"),
    made("runs_of_the_first_parameters", RunsOfTheFirstParameters, "GIF-9", "GIF", "NUM-3"),
    made(
        "batches_of_one_axis",
        refusing(Gif, ALL, lambda size, p, state, *others: len(shape(state["V"])) > len(size) + 1),
        *("GIF-10", "GIF"),
    ),
    made(
        "populations_of_three_axes",
        refusing(Gif, ALL, lambda size, *others: len(size) > 3),
        *("GIF-10", "GIF"),
    ),
    made(
        "long_runs_of_one_neuron",
        refusing(
            Gif, [RUN], lambda size, p, s, current, dt: shape(current)[0] > 1024 and len(size) == 1
        ),
        *("GIF-5", "GIF"),
    ),
]
"""The first clause is the one that is broken; the others fail with it."""
