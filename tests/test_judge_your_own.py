"""docs/judge-your-own.md does what it says."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from conformance.profiles import PROFILES
from conformance.protocol.claims import LEVELS, claims_of, misclaimed
from conformance.protocol.implementation import CAPABILITIES, PROTOCOLS

ROOT = Path(__file__).parent.parent
DOCUMENT = (ROOT / "docs" / "judge-your-own.md").read_text("utf-8")
SPEC = (ROOT / "SPEC.md").read_text("utf-8")
ADAPTER, LIBRARY = (
    textwrap.dedent(block) for block in re.findall(r"```python\n(.*?)```", DOCUMENT, re.DOTALL)
)


@pytest.fixture
def project(tmp_path):
    """A folder with a package that has the document's adapter."""
    package = tmp_path / "my_package"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "adapter.py").write_text(ADAPTER)
    return tmp_path


def judge(project, *options):
    """Judge the document's adapter from that folder; the verdict, and what was said."""
    path = project / "verdict.json"
    command = [
        *(Path(sys.executable).parent / "pytest", str(ROOT / "conformance"), "-q", "--tb=line"),
        *("-p", "no:cacheprovider", "--implementation=my_package.adapter:implementation"),
        *(f"--verdict={path}", *options),
    ]
    # The driver alone is installed; the package is found from the current directory.
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "tests"), "PYTHONDONTWRITEBYTECODE": "1"}
    run = subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True)
    assert path.exists(), run.stdout + run.stderr
    return json.loads(path.read_text("utf-8"))["my chip"], run.stdout


def test_the_adapter_passes_what_it_claims(project):
    verdict, said = judge(project)
    failed = {c: e for c, e in verdict["clauses"].items() if e["status"] == "failed"}
    assert not failed, said
    assert verdict["passes"]
    assert "my chip passes the quick profile at 64 bits: gif" in said
    assert verdict["clauses"]["GIF-1"]["status"] == "passed"
    assert verdict["clauses"]["HIST-1"]["status"] == "not applicable"


def test_the_library_claims_what_there_is():
    names = {}
    exec(LIBRARY, names)
    library = names["Library"]()
    assert misclaimed(library) == []
    claims = claims_of(library)
    assert claims.kinds == {"LIF"}
    words = re.search(r'"my library conforms at 32\s+bits to (.*?)"', DOCUMENT, re.DOTALL).group(1)
    assert " ".join(words.split()) == str(claims)


def test_capabilities_are_those_of_the_protocol():
    listed = DOCUMENT.partition("Claim the capabilities you have: ")[2].partition(". Each")[0]
    assert tuple(re.findall(r"`(\w+)`", listed)) == CAPABILITIES == tuple(PROTOCOLS)


def test_capabilities_are_those_of_the_law():
    table = SPEC.partition("| chapter | clauses |")[2].partition("\n\n")[0]
    cells = [line.split("|")[3] for line in table.splitlines()[2:]]
    assert set(re.findall(r"`(\w+)`", " ".join(cells))) == set(CAPABILITIES)


def test_claims_are_those_of_the_law():
    chapter = SPEC.partition("## 14 Conformance")[2]
    rows = re.findall(r"^\| `(\w+)` \| (.*?) \|", chapter, re.MULTILINE)
    names = {key: re.findall(r"`([\w-]+)`", cell) for key, cell in rows}
    assert names == {field: list(names) for field, names in LEVELS.items()}


def test_options_are_those_of_the_command_line():
    for option in re.findall(r"`(--[\w-]+)", DOCUMENT):
        assert f'"{option}"' in (ROOT / "conformance" / "options.py").read_text("utf-8"), option
    for profile in PROFILES:
        assert f"`{profile}`" in SPEC.partition("## 14 Conformance")[2], profile
