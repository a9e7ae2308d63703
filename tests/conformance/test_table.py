"""The table of who conforms: a row for each verdict, and README's, which is made of those kept."""

from __future__ import annotations

import json

import pytest

from conformance import cli
from conformance.cli.arguments import USAGE
from conformance.cli.table import BEGIN, END, put_between
from conformance.known_failures import KnownFailures
from conformance.verdicts import Row, read_rows, write_rows, write_table
from judging.made_verdicts import verdict_of
from repository import ROOT

KEPT = ROOT / "docs" / "peers" / "verdicts.json"
KNOWN = ROOT / "conformance" / "adapters" / "known"


@pytest.fixture(scope="module")
def verdict():
    made, _ = verdict_of("quick", failing=("GIF-7", "LEARN-6", "LEARN-7"), without=("LEARN-9",))
    (data,) = json.loads(json.dumps(made.as_dict())).values()
    return data | {"url": "https://a.b", "version": "2|3"}


def test_a_row_says_what_the_verdict_says(verdict):
    row = Row.of(verdict)
    total = len(verdict["clauses"])
    assert row.failed == ["GIF-7", "LEARN-6", "LEARN-7"]
    assert row.counts == {
        "passed": total - 4,
        "failed": 3,
        "not applicable": 0,
        "not judged": 1,
    }
    head, line, got = write_table([row]).splitlines()
    assert head.count("|") == line.count("|") == 9
    assert got == (
        "| [reference](https://a.b) 2\\|3 | does not conform at 64 bits to all of SPEC.md | quick, "
        f"by SPEC.md {verdict['law']}, {verdict['date']} | {total - 4} | 3 | 0 | 1 "
        "| GIF-7, LEARN-6 to LEARN-7 |"
    )


def test_only_clauses_that_follow_one_another_are_a_run(verdict):
    clauses = {name: entry | {"status": "passed"} for name, entry in verdict["clauses"].items()}
    for name in ("UNIT-7", "UNIT-8", "STATE-1", "STATE-3"):
        clauses[name]["status"] = "failed"
    row = Row.of(verdict | {"clauses": clauses, "url": "javascript:x"})
    assert str(row).startswith("| reference 2")
    assert str(row).endswith("| UNIT-7 to UNIT-8, STATE-1, STATE-3 |")


def test_rows_are_kept_and_the_last_of_one_key_counts(verdict, tmp_path, capsys):
    old, new, rows = (tmp_path / name for name in ("old.json", "new.json", "rows.json"))
    at_32 = verdict | {"precision": 32}
    old.write_text(json.dumps({"reference": verdict}), "utf-8")
    new.write_text(json.dumps({"reference": verdict | {"date": "2031-01-01"}}), "utf-8")
    (tmp_path / "32.json").write_text(json.dumps({"reference": at_32}), "utf-8")
    assert cli.main(["table", str(old), str(tmp_path / "32.json"), f"--rows={rows}"]) == 0
    assert cli.main(["table", str(rows), str(new), f"--rows={rows}"]) == 0
    assert capsys.readouterr().out == ""
    kept = read_rows([rows])
    assert [(row.precision, row.date) for row in kept] == [
        (64, "2031-01-01"),
        (32, verdict["date"]),
    ]
    assert cli.main(["table", str(rows)]) == 0
    assert capsys.readouterr().out == write_table(kept)


def test_the_table_is_put_between_two_marks(verdict, tmp_path):
    page, rows = tmp_path / "page.md", tmp_path / "rows.json"
    rows.write_text(write_rows([Row.of(verdict)]), "utf-8")
    page.write_text(f"before\n{BEGIN}old\n{END}after\n", "utf-8")
    assert cli.main(["table", str(rows), f"--into={page}"]) == 0
    assert page.read_text("utf-8") == f"before\n{BEGIN}{write_table(read_rows([rows]))}{END}after\n"


@pytest.mark.parametrize("text", ["[1]", '[{"name": "mine"}]', "{", '{"mine": {}}'])
def test_what_has_no_rows_is_told(text, tmp_path, capsys):
    path = tmp_path / "rows.json"
    path.write_text(text, "utf-8")
    assert cli.main(["table", str(path)]) == USAGE
    assert str(path) in capsys.readouterr().err


@pytest.mark.parametrize("page", ["", f"{BEGIN}x", f"{END}{BEGIN}", f"{BEGIN}{BEGIN}{END}"])
def test_a_page_without_its_marks_is_left(page, verdict, tmp_path, capsys):
    path, rows = tmp_path / "page.md", tmp_path / "rows.json"
    rows.write_text(write_rows([Row.of(verdict)]), "utf-8")
    path.write_text(page, "utf-8")
    assert cli.main(["table", str(rows), f"--into={path}"]) == USAGE
    assert "the page needs a line" in capsys.readouterr().err
    assert path.read_text("utf-8") == page


# README's


@pytest.mark.parametrize("page", ["README.md", "README.zh.md"])
def test_readme_has_the_table_of_what_is_kept(page):
    readme = (ROOT / page).read_text("utf-8")
    assert put_between(readme, write_table(read_rows([KEPT]))) == readme


def test_what_is_kept_is_written_by_the_command():
    assert KEPT.read_text("utf-8") == write_rows(read_rows([KEPT]))


@pytest.mark.parametrize("path", sorted(KNOWN.iterdir()), ids=lambda path: path.stem)
def test_a_peer_s_row_is_of_its_list(path):
    """The version and clauses that CI holds the peer to."""
    known = KnownFailures.read(path.read_text("utf-8"))
    (row,) = (row for row in read_rows([KEPT]) if row.name == path.stem)
    pins = {"law": row.law, "suite": row.suite, "implementation": f"{row.name} {row.version}"}
    assert known.pins == pins
    assert set(row.failed) == {entry.clause for entry in known.entries}
    assert row.counts["failed"] == len(row.failed)
    assert row.statement.startswith(f"{row.name} does not conform at ")
