"""Files of vectors: one for each call, compressed, the same bytes each time."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from conformance.protocol.claims import OPERATIONS, RULES, Claims
from conformance.vectors.sizes import FACTORS, SIZES
from conformance.versions import PROTOCOL, law_version

__all__ = ["CHOSEN", "FOLDER", "VERSION", "is_claimed", "make_file", "write"]

VERSION = 1
"""The version of the files' form."""

FOLDER = Path(__file__).parent / "files"
CHOSEN = Path(__file__).parent / "chosen.json"


def make_file(call: str, vectors: Iterable[dict[str, Any]], notes: dict[str, str]) -> bytes:
    """Make the file of a call."""
    vectors = sorted(vectors, key=lambda vector: vector["id"])
    clause = SIZES[call][0]
    flags = sorted({flag for vector in vectors for flag in vector["flags"]})
    file = {
        "call": call,
        "versions": {"vectors": VERSION, "protocol": PROTOCOL, "spec": str(law_version())},
        "factors": {str(bits): factor for bits, factor in FACTORS[clause].items()},
        "tolerance": clause,
        "notes": {flag: notes[flag] for flag in flags},
        "vectors": vectors,
    }
    text = json.dumps(file, ensure_ascii=False, separators=(",", ":"))
    return gzip.compress(text.encode(), mtime=0)


def write(
    folder: Path, vectors: Iterable[tuple[str, dict[str, Any]]], notes: dict[str, str]
) -> None:
    """Write vectors, each with its call, as the files of a folder."""
    by_call: dict[str, list[dict[str, Any]]] = {}
    for call, vector in vectors:
        by_call.setdefault(call, []).append(vector)
    folder.mkdir(parents=True, exist_ok=True)
    for call, of_call in by_call.items():
        (folder / f"{call}.json.gz").write_bytes(make_file(call, of_call, notes))


def is_claimed(call: str, vector: dict[str, Any], claims: Claims) -> bool:
    """Whether a vector is of what an implementation claims."""
    if call not in claims.methods:
        return False
    arguments = vector["given"]
    if "network" not in arguments:
        return True
    if "rule" in arguments and arguments["rule"]["name"] in RULES:
        if arguments["rule"]["name"] not in claims.rules:
            return False
    elif "learning" not in claims.capabilities:
        return False
    layers = arguments["network"]["layers"]
    operations = {layer["operation"]["kind"] for layer in layers} & set(OPERATIONS)
    return claims.cover(operations=operations) and {x["kind"] for x in layers} <= claims.kinds
