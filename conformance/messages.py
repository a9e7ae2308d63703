"""Find facts in messages, in whatever words: names, numbers, shapes, units, dtypes (ERR-2)."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from reference import Unit, unit


class AnyOf(NamedTuple):
    """One of several facts, where a message may choose."""

    facts: tuple[Any, ...]


def any_of(*facts: Any) -> AnyOf:
    """Make a fact of several, one of which a message must state."""
    return AnyOf(facts)


def states(message: str, fact: Any) -> bool:
    """Judge whether a message states a fact.

    Parameters
    ----------
    message : str
    fact : str, number, tuple of int, Unit, dtype or AnyOf
        A name, which stands as a word; a number; a shape; a unit, in any scale; a dtype.
    """
    if isinstance(fact, AnyOf):
        return any(states(message, one) for one in fact.facts)
    if isinstance(fact, str):
        return _names(message, fact)
    if isinstance(fact, tuple):
        return _has_shape(message, fact)
    if isinstance(fact, Unit):
        return fact.dimension in _dimensions(message)
    if isinstance(fact, np.dtype):
        return any(_names(message, name) for name in _dtype_names(fact))
    return _has_number(message, float(fact))


def _names(message: str, name: str) -> bool:
    """Whether a name stands in a message as a word, quoted or not."""
    bare = name.strip("'\"")
    # An ordinary word may begin a sentence; of a symbol, such as V, the case matters.
    flags = re.IGNORECASE if len(bare) > 2 and bare.islower() else 0
    return re.search(rf"(?<!\w){re.escape(bare)}(?!\w)", message, flags) is not None


def _dtype_names(dtype: np.dtype) -> list[str]:
    """The names of a dtype: NumPy's, its letter and bytes, its letter and bits."""
    kind = {"f": "f", "i": "i", "u": "u", "c": "c", "b": "bool"}[dtype.kind]
    return [dtype.name, f"{kind}{dtype.itemsize}", f"{kind}{8 * dtype.itemsize}", dtype.str]


_SIGNS = str.maketrans("−–⁻⁺⁰¹²³⁴⁵⁶⁷⁸⁹", "---+0123456789")
_NUMBER = re.compile(
    # A sign stands neither behind a digit, where it is a dash, nor in a power.
    r"(?<![\w.^])(?P<sign>[-+]?)\s?(?P<digits>\d[\d_]*\.?\d*|\.\d+)"
    r"(?:[eE](?P<e>[-+]?\d+)|\s*[×x*·]\s*10\s*(?:\^|\*\*)?\s*(?P<ten>[-+]?\d+))?"
)
_WORDS = {
    math.inf: r"(?<![-−\w])\s*\+?(?:inf|infinity|infinite|∞)(?!\w)",
    -math.inf: r"[-−]\s*(?:inf|infinity|∞)(?!\w)|\bminus infinity\b|\binfinite\b",
}


def _has_number(message: str, number: float) -> bool:
    """Whether a message has a number, but for the rounding of single precision."""
    if math.isnan(number):
        return re.search(r"\bnan\b|not a number", message, re.IGNORECASE) is not None
    if math.isinf(number):
        return re.search(_WORDS[number], message, re.IGNORECASE) is not None
    return any(math.isclose(got, number, rel_tol=1e-6) for got in _numbers(message, number))


def _numbers(message: str, like: float) -> Iterator[float]:
    """The numbers of a message; of one before a unit, also its multiples by powers of a thousand.

    A number may be reported in another scale of its unit, if the unit stands behind it.
    """
    text = message.translate(_SIGNS)
    for match in _NUMBER.finditer(text):
        power = match["e"] or match["ten"] or "0"
        number = float(f"{match['sign']}{match['digits'].replace('_', '')}e{power}")
        yield number
        behind = re.match(r"\s*\*?\s*([A-Za-zµμΩ]+)", text[match.end() :])
        if behind and number and _symbol(behind[1]) is not None and like:
            thousands = round(math.log10(abs(like / number)) / 3)
            yield number * 1000.0**thousands


_SHAPE = re.compile(r"(?<![\w.^-])\d+(?:\s*(?:,|;|x|×|\*|by)\s*\d+)*")


def _has_shape(message: str, shape: tuple[int, ...]) -> bool:
    """Whether a message has a shape: "(3, 4)", "[3,4]", "3x4", "3 by 4"."""
    if not shape:
        return re.search(r"\(\s*\)|\[\s*\]|\bscalar\b", message, re.IGNORECASE) is not None
    shapes = (tuple(map(int, re.findall(r"\d+", run))) for run in _SHAPE.findall(message))
    return shape in shapes


_BASES = {
    **{name: name for name in ("V", "A", "ohm", "S", "F", "Hz", "s", "m", "g")},
    **{"volt": "V", "ampere": "A", "amp": "A", "siemens": "S", "farad": "F", "hertz": "Hz"},
    **{"second": "s", "sec": "s", "metre": "m", "meter": "m", "gram": "g"},
    **{"Ω": "ohm", "Ohm": "ohm"},
}
_PREFIXES = {
    **{prefix: prefix for prefix in ("", "p", "n", "u", "m", "c", "k", "M", "G")},
    **{"pico": "p", "nano": "n", "micro": "u", "milli": "m", "centi": "c", "kilo": "k"},
    **{"mega": "M", "giga": "G", "µ": "u", "μ": "u"},
}
_SYMBOLS = {p + b: (_PREFIXES[p], _BASES[b]) for p in _PREFIXES for b in _BASES}


def _symbol(word: str) -> Unit | None:
    """The unit that a word names, short or long, in the plural too."""
    for name in (word, word.removesuffix("s")):
        if name in _SYMBOLS:
            prefix, base = _SYMBOLS[name]
            return unit(prefix + base)
    return None


_FACTOR = re.compile(
    r"(?P<between>(?:[\s*·()]|/|\bper\b)*)(?P<word>[A-Za-zµμΩ]+)(?:(?:\^|\*\*)?\(?(?P<power>[-+]?\d+))?"
)


def _dimensions(message: str) -> set[tuple[int, ...]]:
    """The dimensions of all units that a message names, and of their first factors."""
    text, dimensions, open_ends = message.translate(_SIGNS), set(), []
    end = 0
    for factor in _FACTOR.finditer(text):
        if factor.start() != end:
            open_ends = []
        end = factor.end()
        symbol = _symbol(factor["word"])
        if symbol is None:
            open_ends = []
            continue
        is_inverted = "/" in factor["between"] or "per" in factor["between"]
        power = int(factor["power"] or 1) * (-1 if is_inverted else 1)
        dimension = np.array(symbol.dimension) * power
        open_ends = [product + dimension for product in open_ends] + [dimension]
        dimensions |= {tuple(map(int, product)) for product in open_ends}
    return dimensions


STEP = any_of("dt", "step")
CURRENT = any_of("current", "input")
"""How a message may name the length of a step, and the current into neurons."""
