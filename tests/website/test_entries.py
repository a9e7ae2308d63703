"""Arguments that a docstring describes together are read one by one."""

from __future__ import annotations

from docstrings import part_names

TEXT = """A layer.

Parameters
----------
in_size, out_size : int
    The last entries
    are K and N.
eps : float
path, **options
    As of another.

Notes
-----
a, b
"""


def test_each_name_has_an_entry():
    section = part_names(TEXT).partition("----------\n")[2].partition("\n\nNotes")[0]
    assert section.splitlines() == [
        "in_size : int",
        "    The last entries",
        "    are K and N.",
        "out_size : int",
        "    The last entries",
        "    are K and N.",
        "eps : float",
        "path",
        "    As of another.",
        "**options",
        "    As of another.",
    ]


def test_the_rest_is_as_it_was():
    assert part_names(TEXT).endswith("\n\nNotes\n-----\na, b\n")
    for text in ("A sentence.", "A sentence.\n\nReturns\n-------\na, b : int\n"):
        assert part_names(text).rstrip("\n") == text.rstrip("\n")
