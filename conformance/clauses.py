"""The clauses of SPEC.md: their ids, their chapters, and what must be claimed for each to apply."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from conformance.claims import OPERATIONS, RULES, Claims
from conformance.implementation import CAPABILITIES, methods_of

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

None: what `NEEDS` has of a clause, or nothing.
"""

CLAUSES: tuple[str, ...] = tuple(re.findall(r"\*\*\[([A-Z]+-\d+)\]\*\*", SPEC.read_text("utf-8")))
"""All ids, in the order of the law."""

#: The rules that keep traces, and those that refuse what LEARN-14 to LEARN-17 are about.
_TRACED = [rule for rule in RULES if rule not in ("RTRL", "OSTL")]
_REFUSING = [rule for rule in RULES if rule != "RTRL"]

#: The operations besides dense ones, but for embeddings, which have no inputs of real numbers.
_OTHERS = [kind for kind in OPERATIONS if kind not in ("dense", "embedding")]

NEEDS: Mapping[str, Mapping[str, Iterable[str]]] = {
    **dict.fromkeys(("NUM-1", "NUM-2", "NUM-3", "NUM-4"), {"capabilities": ["gif"]}),
    "NUM-5": {"capabilities": ["morphology"]},
    **dict.fromkeys(("NUM-6", "NUM-7"), {"capabilities": ["cable"]}),
    "NUM-8": {"capabilities": ["traces"]},
    **dict.fromkeys(("TRACE-1", "TRACE-2", "TRACE-7", "TRACE-8"), {"rules": _TRACED}),
    **dict.fromkeys(("TRACE-3", "TRACE-4", "LEARN-2", "LEARN-8"), {"rules": ["D-RTRL"]}),
    **dict.fromkeys(("TRACE-5", "TRACE-6", "LEARN-3", "LEARN-9"), {"rules": ["ES-D-RTRL"]}),
    **dict.fromkeys([f"LEARN-{i}" for i in range(14, 18)], {"rules": _REFUSING}),
    "OP": {"capabilities": ["traces", "learning"]},
    "OP-1": {"operations": ["sparse"]},
    **dict.fromkeys(("OP-2", "OP-3"), {"operations": ["convolution"]}),
    "OP-4": {"operations": ["low-rank"]},
    **dict.fromkeys(("OP-5", "OP-13"), {"operations": ["embedding"]}),
    "OP-6": {"rules": ["D-RTRL"], "capabilities": ["traces"]},
    "OP-7": {"rules": ["ES-D-RTRL"], "capabilities": ["traces"]},
    "OP-8": {"rules": ["D-RTRL"], "capabilities": ["learning"]},
    "OP-9": {"rules": ["ES-D-RTRL"], "capabilities": ["learning"]},
    "OP-10": {"operations": _OTHERS, "capabilities": ["learning"]},
    "OP-11": {"operations": ["sparse", "convolution", "embedding"]},
    "OP-12": {"operations": _OTHERS},
    "HYBRID": {"rules": ["hybrid"]},
    "EPROP": {"rules": ["e-prop"]},
    "RTRL": {"rules": ["RTRL"]},
    "OSTL": {"rules": ["OSTL"]},
    "THREE": {"rules": ["three-factor"]},
    "CONF-3": {"capabilities": [name for name in CAPABILITIES if methods_of(name)]},
    "ERR-3": {"capabilities": ["states", "gif", "morphology", "cable"]},
}
"""By clause or chapter, and field of `Claims`: the names of which one must be claimed, besides the
chapter's capability."""


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
    return all(claims.meet(**NEEDS.get(key, {})) for key in (prefix, clause))


def _naming_errors() -> list[str]:
    """The clauses that name an error, but for those of chapter 12."""
    # A clause ends where the next one begins, or a paragraph that is none of it.
    pattern = r"\*\*\[([A-Z]+-\d+)\]\*\*(.*?)(?=\*\*\[|\n\n|\Z)"
    texts = dict(re.findall(pattern, SPEC.read_text("utf-8"), re.DOTALL))
    return [c for c in CLAUSES if re.search(r"`\w+Error`", texts[c]) and chapter(c) != "ERR"]


_NAMING_ERRORS = _naming_errors()
