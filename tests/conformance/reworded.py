"""The reference with messages in other notations, which say the same and must be accepted."""

from __future__ import annotations

import re
from typing import Any

from wrong_implementations.cable_bases import CableAdapter, MorphologyAdapter
from wrong_implementations.gif_bases import Gif
from wrong_implementations.refusals import retold
from wrong_implementations.state_bases import Histories


def reword(error: Any) -> tuple[str, str, str]:
    """Write shapes as 3×4 and [2], numbers with a minus sign, and units in full."""
    return tuple(map(write_otherwise, (error.subject, error.got, error.needs)))


def write_otherwise(text: str) -> str:
    """Write the numbers, shapes and units of a text in another notation."""
    text = re.sub(r"\((\d+), (\d+)\)", r"\1×\2", text)
    text = re.sub(r"\((\d+),\)", r"[\1]", text)
    text = re.sub(r"-(\d)", "\N{MINUS SIGN}\\1", text)
    text = re.sub(r"\bmV\b", "millivolts", text)
    text = re.sub(r"\bnA\b", "nanoampere", text)
    return text.replace("float32", "f4")


BASES = {"states": Histories, "gif": Gif, "morphology": MorphologyAdapter, "cable": CableAdapter}


def __getattr__(name: str) -> Any:
    """The adapter of that part of the reference."""
    if name not in BASES:
        raise AttributeError(name)
    adapter = retold(BASES[name], reword)()
    adapter.name = name
    return adapter
