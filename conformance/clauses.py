"""The clauses of SPEC.md: their ids, their chapters, and what must be claimed for each to apply."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from conformance.protocol.claims import OPERATIONS, RULES, Claims
from conformance.protocol.implementation import CAPABILITIES, methods_of

_FOLDER = Path(__file__).parent

#: In a clone it lies beside this folder, in a wheel within it.
SPEC = next(path for path in (_FOLDER / "SPEC.md", _FOLDER.parent / "SPEC.md") if path.exists())

#: The text of a clause goes to the next one, to a heading, or to a paragraph that is none of it:
#: what is indented, such as an equation, is.
_CLAUSE = r"\*\*\[([A-Z]+-\d+)\]\*\*(.*?)(?=^- \*\*\[|\n+\n\S|\Z)"

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

None: what `NEEDS` has of a clause, or nothing.
"""

TEXTS: dict[str, str] = {
    clause: " ".join(text.split())
    for clause, text in re.findall(_CLAUSE, SPEC.read_text("utf-8"), re.DOTALL | re.MULTILINE)
}
"""By clause, its text."""

CLAUSES: tuple[str, ...] = tuple(TEXTS)
"""All ids, in the order of the law."""

#: The rules that keep traces, and those that refuse what LEARN-14 to LEARN-17 are about.
_TRACED = [rule for rule in RULES if rule not in ("RTRL", "OSTL")]
_REFUSING = [rule for rule in RULES if rule != "RTRL"]

#: The rules by which plain parameters learn.
_OF_LOSSES = [rule for rule in RULES if rule != "three-factor"]

#: The operations besides dense ones, but for embeddings, which have no inputs of real numbers.
_OTHERS = [kind for kind in OPERATIONS if kind not in ("dense", "embedding")]

NEEDS: tuple[tuple[str, Iterable[str], tuple[str, ...]], ...] = (
    ("capabilities", ["gif"], ("NUM-1", "NUM-2", "NUM-3", "NUM-4", "NUM-10")),
    ("capabilities", ["gif_sensitivity"], (*(f"GIF-{i}" for i in range(25, 32)), "NUM-10")),
    ("capabilities", ["morphology"], ("NUM-5",)),
    ("capabilities", ["cable"], ("NUM-6", "NUM-7")),
    ("capabilities", ["traces"], ("NUM-8", "OP-6", "OP-7")),
    ("capabilities", ["learning"], ("OP-8", "OP-9", "OP-10")),
    ("capabilities", ["traces", "learning"], ("OP",)),
    ("capabilities", ["states", "gif", "morphology", "cable"], ("ERR-3",)),
    ("capabilities", [name for name in CAPABILITIES if methods_of(name)], ("CONF-3",)),
    ("rules", _TRACED, ("TRACE-1", "TRACE-2", "TRACE-7", "TRACE-8")),
    (
        "rules",
        ["D-RTRL"],
        ("TRACE-3", "TRACE-4", "OP-6", "OP-8", "LEARN-1", "LEARN-2", "LEARN-8"),
    ),
    ("rules", ["ES-D-RTRL"], ("TRACE-5", "TRACE-6", "OP-7", "OP-9", "LEARN-3", "LEARN-9")),
    ("rules", _OF_LOSSES, ("LEARN-6",)),
    ("capabilities", ["trials"], ("LEARN-19",)),
    ("rules", _OF_LOSSES, ("LEARN-19",)),
    ("rules", _REFUSING, ("LEARN-14", "LEARN-15", "LEARN-16", "LEARN-17")),
    ("rules", ["hybrid"], ("HYBRID",)),
    ("rules", ["e-prop"], ("EPROP",)),
    ("rules", ["RTRL"], ("RTRL",)),
    ("rules", ["OSTL"], ("OSTL",)),
    ("rules", ["three-factor"], ("THREE",)),
    ("operations", ["sparse"], ("OP-1",)),
    ("operations", ["convolution"], ("OP-2", "OP-3")),
    ("operations", ["low-rank"], ("OP-4",)),
    ("operations", ["embedding"], ("OP-5", "OP-13")),
    ("operations", ["grouped"], ("OP-15",)),
    ("operations", ["sparse", "convolution", "embedding", "grouped"], ("OP-11",)),
    ("operations", _OTHERS, ("OP-10", "OP-12")),
    ("weights", ["shared"], ("OP-14",)),
    (
        "operations",
        [operation for operation in OPERATIONS if operation != "low-rank"],
        ("LEARN-7", "TRACE-7"),
    ),
    ("operations", [*_OTHERS, "embedding"], ("OP-6", "OP-7", "OP-8", "OP-9")),
)
"""Fields of `Claims`, names of which one must be claimed, and the clauses and chapters that need it
besides the chapter's capability."""


def chapter(clause: str) -> str:
    """The prefix of a clause, which names its chapter."""
    return clause.partition("-")[0]


def applies(clause: str, claims: Claims) -> bool:
    """Whether a clause applies to what is claimed.

    That errors are of their classes and say what they must (ERR-1, ERR-2) applies where a clause
    does that names an error.
    """
    if clause in ("ERR-1", "ERR-2"):
        return any(applies(other, claims) for other in _NAMING_ERRORS)
    prefix = chapter(clause)
    capability = CHAPTERS[prefix][1]
    if capability is not None and capability not in claims.capabilities:
        return False
    needs = [(field, names) for field, names, of in NEEDS if prefix in of or clause in of]
    return all(claims.meet(**{field: names}) for field, names in needs)


def _naming_errors() -> list[str]:
    """The clauses that name an error, but for those of chapter 12."""
    return [c for c in CLAUSES if re.search(r"`\w+Error`", TEXTS[c]) and chapter(c) != "ERR"]


_NAMING_ERRORS = _naming_errors()
