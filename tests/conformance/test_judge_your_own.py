"""docs/judge-your-own.md does what it says."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
import textwrap

import pytest

from conformance.profiles import PROFILES
from conformance.protocol.claims import LEVELS, claims_of, misclaimed
from conformance.protocol.implementation import CAPABILITIES, PROTOCOLS, methods_of
from repository import ROOT

DOCUMENT = (ROOT / "docs" / "judge-your-own.md").read_text("utf-8")
SPEC = (ROOT / "SPEC.md").read_text("utf-8")
ADAPTER, LIBRARY = (
    textwrap.dedent(block) for block in re.findall(r"```python\n(.*?)```", DOCUMENT, re.DOTALL)
)


COMMANDS = [
    shlex.split(line)
    for block in re.findall(r"```sh\n(.*?)```", DOCUMENT, re.DOTALL)
    for line in block.splitlines()
]


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """An empty folder."""
    return tmp_path_factory.mktemp("project")


def run(project, arguments):
    """Run a command of the document in that folder."""
    assert arguments[0] == "brainscale-judge"
    # Of the repository the driver alone is found; the adapter is, from the current directory.
    path = os.pathsep.join([str(ROOT), str(ROOT / "tests" / "conformance")])
    return subprocess.run(
        [sys.executable, "-m", "conformance", *arguments[1:]],
        cwd=project,
        env={**os.environ, "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
    )


def test_the_tutorial_is_as_it_says(project):
    """From an empty folder, command by command; but for the full profile, which takes long."""
    init, check, choose, judge, full, write, hold = COMMANDS
    assert init[-2:] == [">", "adapter.py"]
    (project / "adapter.py").write_text(run(project, init[:-2]).stdout, "utf-8")
    assert run(project, check).stdout.count("is not written") == len(methods_of("gif"))
    (project / "adapter.py").write_text(ADAPTER, "utf-8")
    checked = run(project, check)
    assert checked.returncode == 0
    assert checked.stdout.count("answers") == len(methods_of("gif"))
    chosen = run(project, choose)
    assert chosen.returncode == 0, chosen.stdout
    assert full[-1] == "--profile=full"
    judged = run(project, judge)
    assert judged.returncode == 0, judged.stdout
    assert "my chip passes the quick profile at 64 bits: gif" in judged.stdout
    verdict = json.loads((project / "verdict.json").read_text("utf-8"))["my chip"]
    assert verdict["passes"]
    assert verdict["clauses"]["GIF-1"]["status"] == "passed"
    assert verdict["clauses"]["HIST-1"]["status"] == "not applicable"
    assert "GIF-1" in (project / "verdict.html").read_text("utf-8")
    for command in (write, hold):
        listed = run(project, [*command, "--clause=GIF-7"])
        assert listed.returncode == 0, listed.stdout


WRONG = """
from wrong_implementations import spikes_at_equality as implementation
implementation.name = "my chip"
implementation.version = "2"
"""


def test_the_failure_that_it_shows(project):
    (project / "adapter.py").write_text(WRONG, "utf-8")
    command = ["brainscale-judge", "--implementation=adapter:implementation", "--clause=GIF-7"]
    said = " ".join(run(project, command).stdout.split())  # the page breaks other lines
    shown = DOCUMENT.partition("is told so:\n\n```\n")[2].partition("\n```")[0]
    first, _, rest = shown.partition("\n")
    assert " ".join(first.partition("[")[0].split()) in said
    _, _, rest = rest.partition("\n")
    assert " ".join(rest.split()) in said
    known = DOCUMENT.partition("implementation my chip 2\n")
    (project / "known.txt").write_text("".join(known[1:]).partition("\n```")[0], "utf-8")
    rerun = run(project, [*command, "--known-failures=known.txt"])
    assert rerun.returncode == 0, rerun.stdout


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
    listed = DOCUMENT.partition("implementation.py): ")[2].partition(". Each")[0]
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
    table = DOCUMENT.partition("| option | |")[2].partition("\n\n")[0]
    has = re.findall(r'"(--[\w-]+)"', (ROOT / "conformance" / "options.py").read_text("utf-8"))
    shown = set(re.findall(r"^\| `(--[\w-]+)", table, re.MULTILINE))
    assert shown | {"--implementation"} == set(has)
    for profile in PROFILES:
        assert f"`{profile}`" in SPEC.partition("## 14 Conformance")[2], profile
