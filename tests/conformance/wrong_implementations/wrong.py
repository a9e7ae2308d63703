"""A deliberately wrong implementation."""

from __future__ import annotations

from typing import NamedTuple


class Wrong(NamedTuple):
    """An implementation that breaks the law.

    Attributes
    ----------
    name : str
        What it does wrong.
    adapter : type
        An adapter, a few lines on top of the reference's.
    clauses : tuple of str
        The clause it breaks, and behind it those that cannot but fail with it; the name of a
        chapter, such as "LEARN", stands for all of its clauses.
    """

    name: str
    adapter: type
    clauses: tuple[str, ...]
