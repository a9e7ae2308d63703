"""The vectors of conformance/vectors/files, and who consumes them."""

from __future__ import annotations

import functools
import gzip
import itertools
import json
import subprocess
import sys
from pipes import serving

import pytest

import wrong_implementations
from choose_vectors import FIRST_FAILED, consumer, fails, read
from conformance.adapters import reference
from conformance.clauses import CLAUSES
from conformance.protocol.claims import claims_of
from conformance.vectors.files import CHOSEN, FOLDER, is_claimed, write
from conformance.vectors.recording import expect
from conformance.vectors.sizes import SIZES
from reference import unit
from repository import ROOT
from wrong_implementations import WRONG

FILES = sorted(FOLDER.glob("*.json.gz"))
CONSUMER = ROOT / "examples" / "implementations" / "consumer.py"


@functools.cache
def vectors():
    """By id: the call, its factors, and the vector."""
    return {entry[2]["id"]: entry for entry in read(FOLDER)}


@functools.cache
def outcomes():
    return json.loads(FIRST_FAILED.read_text("utf-8"))


def consume(adapter, *paths):
    command = [sys.executable, str(CONSUMER), serving(adapter), *map(str, paths)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True)


def test_they_are_small_and_of_every_call():
    assert sum(path.stat().st_size for path in FOLDER.iterdir()) < 1e6
    assert [path.name for path in FILES] == [f"{call}.json.gz" for call in sorted(SIZES)]
    chosen = json.loads(CHOSEN.read_text("utf-8"))
    assert {id for ids in chosen.values() for id in ids} == set(vectors())
    for call, _, vector in vectors().values():
        assert vector["id"] in chosen[call]
        assert vector["clauses"]
        assert set(vector["clauses"]) <= set(CLAUSES)
        assert vector["flags"]


@pytest.mark.parametrize("precision", [32, 64])
def test_they_are_what_the_reference_says(precision):
    """To rounding: another machine's exponentials may end in another digit."""
    adapter = reference.implementation(precision)
    for call, factors, vector in vectors().values():
        assert not fails(adapter, call, factors, vector), vector["id"]
        kind = expect(call, vector["given"]).keys()
        assert kind == vector["expected"].keys(), vector["id"]


def test_files_are_the_same_bytes_each_time(tmp_path):
    contents = {path.name: json.loads(gzip.decompress(path.read_bytes())) for path in FILES}
    notes = {flag: note for file in contents.values() for flag, note in file["notes"].items()}
    pairs = [(call, vector) for call, _, vector in vectors().values()]
    write(tmp_path / "in order", pairs, notes)
    write(tmp_path / "reversed", pairs[::-1], notes)
    for name, content in contents.items():
        written = (tmp_path / "in order" / name).read_bytes()
        assert written == (tmp_path / "reversed" / name).read_bytes()
        assert json.loads(gzip.decompress(written)) == content


def test_the_consumer_finds_the_reference_right():
    run = consume("conformance.adapters.reference:implementation", *FILES)
    assert (run.returncode, run.stdout) == (0, "right\n"), run.stdout + run.stderr


def test_the_consumer_finds_an_implementation_wrong(monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(ROOT / "tests" / "conformance"))
    name = next(iter(outcomes()["found"]))
    call, _, vector = vectors()[outcomes()["found"][name]]
    run = consume(f"wrong_implementations:{name}", FOLDER / f"{call}.json.gz")
    assert run.returncode == 1
    assert f"{call} {vector['id']}" in run.stdout


@pytest.mark.parametrize("name", outcomes()["found"])
def test_a_wrong_implementation_fails_one(name):
    adapter = getattr(wrong_implementations, name)
    claims = claims_of(adapter)
    # One that remembers is wrong after others alone.
    others = (entry for entry in vectors().values() if is_claimed(entry[0], entry[2], claims))
    first = vectors()[outcomes()["found"][name]]
    assert any(fails(adapter, *entry) for entry in itertools.chain([first], others))


def test_each_wrong_implementation_of_these_calls_is_known():
    known = {*outcomes()["found"], *outcomes()["missed"]}
    for name in WRONG:
        methods = claims_of(getattr(wrong_implementations, name)).methods
        assert (name in known) == bool(methods & set(SIZES)), f"{name}: choose_vectors.py"


@pytest.mark.parametrize(
    "name", ["mV", "nA", "um^2", "Mohm", "uS", "S", "mV V^-1", "kg", "10^3 Hz"]
)
def test_the_consumer_reads_units(name):
    assert consumer.scale(name) == unit(name).scale + (3 if name == "kg" else 0)
