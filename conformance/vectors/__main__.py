"""Write vectors: ``python -m conformance.vectors FOLDER``, all; ``--chosen``, those of files/."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from conformance.vectors.files import CHOSEN, write
from conformance.vectors.recording import record


def main(arguments: list[str] | None = None) -> None:
    """Record the suite's calls and write them."""
    parser = argparse.ArgumentParser(prog="python -m conformance.vectors", description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--chosen", action="store_true")
    namespace = parser.parse_args(arguments)
    recorder = record()
    chosen = json.loads(CHOSEN.read_text("utf-8")) if namespace.chosen else None
    vectors = [(v.call, v.as_dict()) for v in recorder.vectors.values()]
    if chosen is not None:
        ids = {id for of_call in chosen.values() for id in of_call}
        vectors = [(call, vector) for call, vector in vectors if vector["id"] in ids]
    write(namespace.folder, vectors, recorder.notes)


if __name__ == "__main__":
    main()
