"""Find where a record first differs from the reference's, in the order of causes (NUM-8)."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from conformance.checks import check_close
from conformance.plans.problem import Problem
from conformance.protocol.problems import Traced
from conformance.records import ExpectedRecord, Record

__all__ = ["Difference", "agree", "agree_by_variable", "find_difference"]


_ROUNDING = 0.1
"""The share of an array's tolerance that its rounding takes while updates change it (NUM-8)."""


@dataclasses.dataclass(frozen=True)
class Difference:
    """A quantity that is not the reference's.

    Attributes
    ----------
    quantity : str
        "error", "refusal", "hidden", "outputs", "losses", "signals", "traces", "gradients",
        "parameters", or "truth".
    message : str
        What was compared, got and expected.
    layer : int
        Where it is of a layer's.
    names : tuple of str
        The parameters whose quantity differs.
    is_without_learning : bool
        Whether it is of the run without learning.
    ratio : float, optional
        Of what was got to what was expected, where that is one number for all of `names`.
    clause : str
        That of a truth which what agrees with the reference misses.
    """

    quantity: str
    message: str
    layer: int = 0
    names: tuple[str, ...] = ()
    is_without_learning: bool = False
    ratio: float | None = None
    clause: str = ""


def find_difference(
    problem: Problem, got: Record, expected: ExpectedRecord, tolerance: float
) -> Any:
    """The first difference of a record from the reference's, or None."""
    for difference in _find_differences(problem, got, expected, tolerance):
        return difference
    return None


def _find_differences(
    problem: Problem, got: Record, expected: ExpectedRecord, tolerance: float
) -> Iterator[Difference]:
    if got.learned is not None:
        mine, other = got.learned, expected.learned
        yield from _compare_runs(mine.traced, other.traced, tolerance)
        yield from _compare("losses", tolerance, mine.losses, other.losses)
        if got.signals is not None:
            yield from _compare_signals(got.signals, expected.signals, tolerance)
        yield from _compare_traces(mine.traced, other.traced, tolerance)
        yield from _compare_by_name("gradients", mine.gradients, other.gradients, tolerance)
        first = problem.parameters
        yield from _compare_by_name(
            "parameters", mine.parameters, other.parameters, tolerance, first
        )
    if got.traced is not None:
        for difference in (
            *_compare_runs(got.traced, expected.traced, tolerance),
            *_compare_traces(got.traced, expected.traced, tolerance),
        ):
            yield dataclasses.replace(difference, is_without_learning=got.learned is not None)


def agree(got: Any, expected: Any, tolerance: float, call: str) -> None:
    """Compare an array, to a share of its largest entry."""
    got, expected = np.asarray(got), np.asarray(expected)
    assert got.shape == expected.shape, f"{call}: got shape {got.shape}, not {expected.shape}"
    check_close(got, expected, tolerance * np.abs(expected).max(initial=0.0), call)


def agree_by_variable(got: Any, expected: Any, tolerance: float, call: str) -> None:
    """Compare an array whose last axis is of a neuron's variables, each by itself."""
    got, expected = np.asarray(got), np.asarray(expected)
    if got.shape != expected.shape and got.shape[:-1] == expected.shape[:-1]:
        raise AssertionError(f"{call}: got {got.shape[-1]} variables, not {expected.shape[-1]}")
    assert got.shape == expected.shape, f"{call}: got shape {got.shape}, not {expected.shape}"
    for i in range(expected.shape[-1]):
        agree(got[..., i], expected[..., i], tolerance, f"{call}, variable {i}")


def _message_of(compare: Callable[..., None], *arguments: Any) -> str | None:
    """The message of a comparison that fails, or None."""
    try:
        compare(*arguments)
    except AssertionError as error:
        return str(error)
    return None


def _compare(quantity: str, tolerance: float, got: Any, expected: Any) -> Iterator[Difference]:
    message = _message_of(agree, got, expected, tolerance, quantity)
    if message:
        yield Difference(quantity, message)


def _compare_runs(got: Traced, expected: Traced, tolerance: float) -> Iterator[Difference]:
    """States and emissions, from the first step on and the first layer up; then outputs."""
    count = len(expected.hidden)
    for name in ("hidden", "emitted"):
        if len(getattr(got, name)) != count:
            message = f"{name}: got {len(getattr(got, name))} layers, not {count}"
            yield Difference("hidden", message)
            return
    differences = []
    for l in range(count):
        mine, other = got.hidden[l], expected.hidden[l]
        message = _message_of(agree_by_variable, mine, other, tolerance, f"hidden[{l}]")
        if message is None:
            mine, other = got.emitted[l], expected.emitted[l]
            message = _message_of(agree, mine, other, tolerance, f"emitted[{l}]")
        if message is not None:
            differences.append((_first_step(mine, other, tolerance), l, message))
    for _, l, message in sorted(differences):
        yield Difference("hidden", message, l)
    yield from _compare("outputs", tolerance, got.outputs, expected.outputs)


def _first_step(got: Any, expected: Any, tolerance: float) -> int:
    """The first step in which something differs."""
    got, expected = np.asarray(got), np.asarray(expected)
    if got.shape != expected.shape:
        return 0
    axes = tuple(range(1, expected.ndim))
    apart = ~(np.abs(got - expected) <= tolerance * np.abs(expected).max(initial=0.0))
    return int(np.argmax(apart.any(axis=axes)))


def _compare_signals(got: Any, expected: Any, tolerance: float) -> Iterator[Difference]:
    if len(got) != len(expected):
        yield Difference("signals", f"signals: got {len(got)} layers, not {len(expected)}")
        return
    for l in reversed(range(len(expected))):
        (c, signal), (other_c, other) = got[l], expected[l]
        message = _message_of(agree, c, other_c, tolerance, f"c[{l}]")
        call = f"lambda[{l}]"
        message = message or _message_of(agree_by_variable, signal, other, tolerance, call)
        if message:
            yield Difference("signals", message, l)


def _compare_traces(got: Traced, expected: Traced, tolerance: float) -> Iterator[Difference]:
    """Traces, all of a layer's that differ together, the first layer first."""
    if set(got.traces) != set(expected.traces):
        names = f"got {sorted(got.traces)}, expected {sorted(expected.traces)}"
        yield Difference("traces", f"traces: {names}")
        return
    messages_by_layer: dict[int, dict[str, str]] = {}
    for name, trace in expected.traces.items():
        call = f"traces[{name!r}]"
        message = _message_of(_agree_on_trace, got.traces[name], trace, tolerance, call)
        if message:
            messages_by_layer.setdefault(int(name.partition(".")[0]), {})[name] = message
    for l, messages in sorted(messages_by_layer.items()):
        yield Difference("traces", next(iter(messages.values())), l, tuple(messages))


def _agree_on_trace(got: Any, expected: Any, tolerance: float, call: str) -> None:
    """Compare one trace, or eps_x and eps_f."""
    if not isinstance(expected, tuple):
        assert not isinstance(got, tuple | list), f"{call}: got eps_x and eps_f, expected one array"
        agree_by_variable(got, expected, tolerance, call)
        return
    assert isinstance(got, tuple | list), f"{call}: got {type(got).__name__}, not eps_x and eps_f"
    assert len(got) == 2, f"{call}: got {len(got)} parts, not eps_x and eps_f"
    if expected[0] is None:
        assert got[0] is None, f"{call}: got an eps_x, expected None"
    else:
        agree(got[0], expected[0], tolerance, f"{call}, eps_x")
    agree_by_variable(got[1], expected[1], tolerance, f"{call}, eps_f")


def _agree_on_change(got: Any, expected: Any, tolerance: float, call: str, first: Any) -> None:
    """Compare the changes that updates made to an array, but for the array's rounding."""
    got, expected = np.asarray(got), np.asarray(expected)
    assert got.shape == expected.shape, f"{call}: got shape {got.shape}, not {expected.shape}"
    change, largest = np.abs(expected - first).max(initial=0.0), np.abs(expected).max(initial=0.0)
    check_close(got, expected, tolerance * min(largest, change + _ROUNDING * largest), call)


def _compare_by_name(
    quantity: str,
    got: dict[str, Any],
    expected: dict[str, Any],
    tolerance: float,
    first: dict[str, Any] | None = None,
) -> Iterator[Difference]:
    """Gradients or parameters: all that differ; parameters began as `first`."""
    if set(got) != set(expected):
        names = f"got {sorted(got)}, expected {sorted(expected)}"
        apart = tuple(sorted(set(got) ^ set(expected)))
        yield Difference(quantity, f"{quantity}: {names}", names=apart)
        return
    messages = {}
    for name, array in expected.items():
        call = f"{quantity}[{name!r}]"
        if first is None:
            message = _message_of(agree, got[name], array, tolerance, call)
        else:
            began = first.get(name, 0.0)
            message = _message_of(_agree_on_change, got[name], array, tolerance, call, began)
        if message:
            messages[name] = message
    if messages:
        layers = [int(name[0]) for name in messages if name[0].isdigit()]
        # Signals come from the last layer down.
        l = max(layers, default=0)
        ratio = _ratio([(got[name], expected[name]) for name in messages])
        message = next((m for name, m in messages.items() if name.startswith(str(l))), None)
        message = message or next(iter(messages.values()))
        yield Difference(quantity, message, l, tuple(messages), ratio=ratio)


def _ratio(pairs: list[tuple[Any, Any]]) -> float | None:
    """The one number that all of some arrays are multiples by, if there is one."""
    mine = np.concatenate([np.ravel(np.asarray(got, float)) for got, _ in pairs])
    other = np.concatenate([np.ravel(np.asarray(expected, float)) for _, expected in pairs])
    if mine.shape != other.shape or not np.any(other):
        return None
    ratio = float(mine @ other / (other @ other))
    far = np.abs(mine - ratio * other).max() > 1e-6 * np.abs(other).max()
    return None if far else ratio
