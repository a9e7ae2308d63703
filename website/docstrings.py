"""Docstrings as a reader of them takes arguments: one by one."""

from __future__ import annotations

import re

__all__ = ["part_names"]

_TITLE = "Parameters\n----------\n"
_NAME = r"\*{0,2}\w+"
_JOINED = re.compile(rf"^({_NAME}(?:, {_NAME})+)((?: :.*)?\n(?: .*\n)*)", re.MULTILINE)
"""An entry of several names."""


def part_names(text: str) -> str:
    """Give each of several names an entry: a reader takes the first one's default for all."""
    head, title, tail = text.partition(_TITLE)
    section, gap, others = tail.partition("\n\n")

    def part(entry: re.Match[str]) -> str:
        return "".join(name + entry[2] for name in entry[1].split(", "))

    return head + title + _JOINED.sub(part, f"{section}\n").rstrip("\n") + gap + others
