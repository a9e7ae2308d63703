"""Versions of law, suite and protocol; the lock that no clause changes behind (chapter 15)."""

from __future__ import annotations

import json
import re
import types

import hypothesis
import pytest

import conformance
from conformance import cli, options, versions
from conformance.clauses import CLAUSES, SPEC, TEXTS
from conformance.cli import lock as command
from conformance.versions import (
    LOCK,
    PROTOCOL,
    Line,
    Version,
    changes,
    clauses_of_version,
    find_faults,
    hash_text,
    law_version,
    read_lock,
    update_lock,
    write_lock,
)

LAW = SPEC.read_text("utf-8")
FIRST = Version(1, 0)


def test_the_lock_is_of_the_law():
    """A clause that reads otherwise is named in the law's chapter 15, and `lock` writes it down."""
    assert find_faults(read_lock(), TEXTS, changes(LAW), law_version()) == []
    assert LOCK.read_text("utf-8") == write_lock(read_lock())
    assert list(dict.fromkeys(line.clause for line in read_lock())) == list(CLAUSES)


def test_versions_go_together():
    version = law_version()
    assert re.fullmatch(rf"{re.escape(str(version))}\.\d+", conformance.__version__)
    assert version.major == PROTOCOL
    assert max(changes(LAW)) == version


TEXT = {"GIF-1": "a", "GIF-2": "b"}
FIRST_LOCK = update_lock([], TEXT, FIRST)


def faults(texts, version=FIRST, said="", lock=FIRST_LOCK):
    """The faults of a lock, and of the lock that is brought up to date."""
    named = {version: said}
    updated = update_lock(lock, texts, version)
    return tuple(find_faults(lines, texts, named, version) for lines in (lock, updated))


def test_a_text_that_changes_is_named():
    other = TEXT | {"GIF-2": "c"}
    before, after = faults(other, Version(1, 1), "of GIF-1 and GIF-22")
    assert before == ["GIF-2 is new, or its text is not the locked one"]
    assert after == ["the changes of 1.1 do not name GIF-2"]
    assert faults(other, Version(1, 1), "GIF-2: clearer")[1] == []
    # Also within a version.
    assert faults(other)[1] == ["the changes of 1.0 do not name GIF-2"]
    assert faults(other, said="GIF-2: clearer")[1] == []


def test_a_new_clause_is_named_and_numbered_on():
    assert faults(TEXT | {"GIF-3": "c"}, Version(1, 1), "GIF-3: new")[1] == []
    assert faults(TEXT | {"GIF-3": "c"}, Version(1, 1))[1] == [
        "the changes of 1.1 do not name GIF-3"
    ]
    assert faults(TEXT | {"GIF-4": "c"}, Version(1, 1), "GIF-4: new")[1] == [
        "GIF does not number its clauses from 1 to 3"
    ]


def test_a_clause_is_retired_by_a_major_version_and_its_id_not_used_again():
    rest = {"GIF-1": "a"}
    before, after = faults(rest, Version(2, 0))
    assert before == ["GIF-2 is gone, and is not retired"]
    assert after == []
    assert faults(rest, Version(1, 1))[1] == ["GIF-2 was retired in 1.1, which is no MAJOR version"]
    retired = update_lock(FIRST_LOCK, rest, Version(2, 0))
    assert (
        "GIF-2 was retired in 2.0, and is used again" in faults(TEXT, Version(2, 0), "", retired)[0]
    )
    assert faults(rest | {"GIF-3": "c"}, Version(2, 0), "GIF-3", retired)[1] == []


def test_a_version_to_come_is_none():
    lock = [Line("GIF-1", Version(1, 2), hash_text("a"))]
    said = {Version(1, 2): "GIF-1"}
    assert find_faults(lock, {"GIF-1": "a"}, said, Version(1, 1)) == [
        "GIF-1 is since 1.2, and the law is of 1.1"
    ]


@pytest.mark.parametrize(
    ("text", "said", "status"),
    [("x", "", 1), ("x", "GIF-7: clearer. ", 0), (None, "", 0)],
    ids=["not named", "named", "as it was"],
)
def test_the_command_writes_what_is_named(monkeypatch, tmp_path, capsys, text, said, status):
    path, law = tmp_path / "clauses.lock", tmp_path / "SPEC.md"
    path.write_text(LOCK.read_text("utf-8"), "utf-8")
    entry = f"- **{law_version()}** "
    law.write_text(LAW.replace(entry, entry + said), "utf-8")
    texts = dict(TEXTS) if text is None else {**TEXTS, "GIF-7": text}
    monkeypatch.setattr(command, "TEXTS", texts)
    monkeypatch.setattr(command, "LOCK", path)
    monkeypatch.setattr(command, "SPEC", law)
    monkeypatch.setattr(command, "read_lock", lambda: read_lock(path.read_text("utf-8")))
    assert cli.main(["lock"]) == status
    assert ("do not name GIF-7" in capsys.readouterr().out) == bool(status)
    lines = [line for line in read_lock(path.read_text("utf-8")) if line.clause == "GIF-7"]
    assert (lines[-1].hash == hash_text("x")) == (text is not None and status == 0)


# Judging by an earlier version


NEW = {"GIF-24", "OP-1"}
#: Those that the first version does not have.
SINCE = {line.clause for line in read_lock()} - {
    line.clause for line in read_lock() if line.since == FIRST
}


@pytest.fixture
def later(monkeypatch):
    """A law of version 1.2, in which two clauses are new since 1.1 and one reads otherwise.

    All that came after the first version came with 1.1.
    """
    lock = [
        line._replace(since=Version(1, 1)) if line.clause in NEW or line.since > FIRST else line
        for line in read_lock()
    ]
    lock.append(Line("GIF-23", Version(1, 1), "0"))
    monkeypatch.setattr(versions, "read_lock", lambda: lock)
    monkeypatch.setattr(versions, "law_version", lambda: Version(1, 2))
    monkeypatch.setattr(options, "law_version", lambda: Version(1, 2))


def test_clauses_of_an_earlier_version(later):
    assert set(CLAUSES) - set(clauses_of_version(Version(1, 0))) == NEW | SINCE
    assert clauses_of_version(Version(1, 1)) == clauses_of_version(Version(1, 2)) == CLAUSES
    for other in (Version(0, 9), Version(1, 3), Version(2, 0)):
        with pytest.raises(ValueError, match=r"by the versions 1\.0 to 1\.2"):
            clauses_of_version(other)


def choose(**values):
    config = types.SimpleNamespace(getoption=lambda name: values.get(name[2:]))
    return options.choose_clauses(config)


def test_clauses_are_chosen_of_a_version(later):
    in_force, chosen = choose(spec="1.0")
    assert "GIF-24" not in in_force
    assert chosen == set(in_force)
    in_force, chosen = choose(spec="1.0", clause=["GIF-24,GIF-7", "HIST"])
    assert chosen == {"GIF-7"} | {c for c in CLAUSES if c.startswith("HIST-")}
    assert choose()[0] == CLAUSES


def statuses(tmp_path, clause, *arguments):
    """By version: the exit status, and what became of a clause, in this process."""
    path, before = tmp_path / "verdict.json", hypothesis.settings.get_current_profile_name()
    arguments = [*arguments, f"--verdict={path}", "-p", "no:cacheprovider", "-p", "no:terminal"]
    by_version = {}
    try:
        for spec in ("1.0", "1.1"):
            status = cli.main([*arguments, f"--spec={spec}"])
            (verdict,) = json.loads(path.read_text("utf-8")).values()
            assert verdict["law"] == spec
            by_version[spec] = status, verdict["clauses"].get(clause, {}).get("status")
    finally:
        hypothesis.settings.load_profile(before)
    return by_version


def test_an_earlier_version_judges_by_its_clauses(later, tmp_path):
    wrong = "--implementation=wrong_implementations:refuses_empty_gif"
    by_version = statuses(tmp_path, "GIF-24", wrong, "--clause=GIF-7,GIF-24")
    assert by_version == {"1.0": (0, None), "1.1": (1, "failed")}


def test_what_breaks_a_later_clause_alone_is_no_failure(later, tmp_path):
    """Of a drawn problem, which is judged by many clauses."""
    wrong = "--implementation=wrong_implementations:last_of_repeated_entries"
    test = "test_record[last_of_repeated_entries-1-ES-D-RTRL-leaky-sparse]"
    by_version = statuses(
        tmp_path, "OP-1", wrong, f"conformance/chapters/learning/test_problems.py::{test}"
    )
    assert by_version == {"1.0": (0, None), "1.1": (1, "failed")}
