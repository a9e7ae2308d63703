"""The clauses of SPEC.md: their ids, their chapters, and the capability that each needs."""

from __future__ import annotations

import re
from pathlib import Path

SPEC = Path(__file__).parent.parent / "SPEC.md"

CHAPTERS = {
    "UNIT": ("Values and units", "states"),
    "STATE": ("States", "states"),
    "GROUP": ("Group states", "states"),
    "TREE": ("Tree states", "states"),
    "HIST": ("History", "history"),
    "GIF": ("The GIF neuron", "gif"),
    "MORPH": ("Morphology", "morphology"),
    "CABLE": ("The passive cable", "cable"),
    "TRACE": ("Eligibility traces", "traces"),
    "OP": ("Operations", "operations"),
    "LEARN": ("Learning", "learning"),
    "NET": ("Networks", "traces"),
    "HYBRID": ("Hybrid learning", "hybrid"),
    "EPROP": ("E-prop", "eprop"),
    "RTRL": ("RTRL", "rtrl"),
    "OSTL": ("OSTL", "ostl"),
    "THREE": ("Three-factor learning", "three_factor"),
    "NUM": ("Numerics", None),
    "ERR": ("Errors", None),
    "CONF": ("Conformance", None),
}
"""By the prefix of its clauses: a chapter's title, and the capability that a test of it needs.

None: that of the test's other clauses, or none; of `NUM`, that in `QUANTITIES`.
"""

QUANTITIES = {
    **dict.fromkeys(("NUM-1", "NUM-2", "NUM-3", "NUM-4"), "gif"),
    "NUM-5": "morphology",
    **dict.fromkeys(("NUM-6", "NUM-7"), "cable"),
    "NUM-8": "traces",
    "NUM-9": None,
}
"""The capability whose quantity a clause of the chapter on numerics judges."""

CLAUSES: tuple[str, ...] = tuple(re.findall(r"\*\*\[([A-Z]+-\d+)\]\*\*", SPEC.read_text("utf-8")))
"""All ids, in the order of the law."""


def chapter(clause: str) -> str:
    """The prefix of a clause, which names its chapter."""
    return clause.partition("-")[0]


def capabilities(clauses: tuple[str, ...]) -> set[str]:
    """The capabilities that a test of these clauses needs."""
    return {_capability(clause) for clause in clauses} - {None}


def _capability(clause: str) -> str | None:
    prefix = chapter(clause)
    return QUANTITIES[clause] if prefix == "NUM" else CHAPTERS[prefix][1]
