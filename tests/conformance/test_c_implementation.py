"""The implementation in C is built as its page says, and judged through the pipe.

Here by the smoke profile; `.ci/run` judges it whole.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import types

import pytest

from conformance.protocol.claims import claims_of
from conformance.protocol.implementation import CAPABILITIES, methods_of
from judging.command import ROOT, call

C = ROOT / "examples" / "implementations" / "c"

SINCE = {"trials", "gif_sensitivity"}
"""The capabilities that there are since version 1.1 of the law."""

pytestmark = pytest.mark.skipif(shutil.which("gcc") is None, reason="needs gcc")


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    """Of a copy, as a checkout may be read by several."""
    folder = tmp_path_factory.mktemp("c")
    for name in ("brainscale.c", "Makefile"):
        shutil.copy(C / name, folder)
    made = subprocess.run(["make", "-C", folder], capture_output=True, text=True, check=True)
    assert "warning" not in made.stderr
    return folder / "brainscale"


def test_it_answers_every_method(program):
    judged = call(f"--implementation=pipe:{program}", "--profile=smoke", "-q")
    assert judged.returncode == 0, judged.stdout
    claimed = claims_of(types.SimpleNamespace(capabilities={*CAPABILITIES} - SINCE))
    said = f"passes the smoke profile at 64 bits: {claimed}"
    assert said in " ".join(judged.stdout.split())


def test_it_obeys_a_clause(program):
    judged = call(f"--implementation=pipe:{program}", "--clause=GIF-7", "-q")
    assert judged.returncode == 0, judged.stdout


def test_vectors_are_right_by_it(program):
    """They are of the reference, of which it knows nothing."""
    folder = ROOT / "conformance" / "vectors" / "files"
    later = {folder / f"{call}.json.gz" for capability in SINCE for call in methods_of(capability)}
    files = sorted(set(folder.glob("*.json.gz")) - later)
    consumer = ROOT / "examples" / "implementations" / "consumer.py"
    command = [sys.executable, consumer, program, *files]
    run = subprocess.run(command, capture_output=True, text=True)
    assert (run.returncode, run.stdout) == (0, "right\n"), run.stdout + run.stderr


def test_its_fault_would_be_seen(program, tmp_path):
    source = (C / "brainscale.c").read_text("utf-8")
    assert "to[2] > to[3]" in source
    wrong = source.replace("to[2] > to[3]", "to[2] >= to[3]")
    (tmp_path / "brainscale.c").write_text(wrong, "utf-8")
    shutil.copy(C / "Makefile", tmp_path)
    subprocess.run(["make", "-C", tmp_path], capture_output=True, check=True)
    judged = call(f"--implementation=pipe:{tmp_path / 'brainscale'}", "--clause=GIF-7", "-q")
    assert judged.returncode == 1, judged.stdout


def test_it_is_c_and_the_c_library_alone():
    lines = (C / "brainscale.c").read_text("utf-8").splitlines()
    headers = {line.split()[1] for line in lines if line.startswith("#include")}
    standard = (
        "ctype errno float limits math setjmp stdarg stdbool stddef stdint stdio stdlib string"
    )
    assert headers <= {f"<{name}.h>" for name in standard.split()}
