"""The command line, in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]
REFERENCE = "--implementation=conformance.adapters.reference:implementation"


def call(*arguments: object, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    """What `python -m conformance` says and returns; adapters are those of tests/."""
    path = os.pathsep.join([str(ROOT), str(ROOT / "tests" / "conformance")])
    return subprocess.run(
        [sys.executable, "-m", "conformance", *map(str, arguments)],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
    )
