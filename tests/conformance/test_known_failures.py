"""Known failures: exactly what is listed fails, and what is otherwise is told."""

from __future__ import annotations

import json

import hypothesis
import pytest

from conformance.cli.judge import judge
from conformance.known_failures import Entry, KnownFailures, Outcomes
from conformance.versions import suite_version
from judging.command import call

PINS = {"law": "1.0", "suite": "1.0.0", "implementation": "mine 3"}

LIST = """\
# Of mine.
law 1.0
suite 1.0.0
implementation mine 3

# A spike too many: issue 7.
GIF-7  # see above
HIST-2 test_order[mine-1]  # oldest last
# The end.
"""


def test_a_list_is_read_and_written_alike():
    known = KnownFailures.read(LIST)
    assert known.write() == LIST
    assert known.pins == PINS
    first, second = known.entries
    assert first == Entry("GIF-7", "", "see above", ("", "# A spike too many: issue 7."))
    assert second == Entry("HIST-2", "test_order[mine-1]", "oldest last", ())
    assert KnownFailures.read(known.write()) == known


def test_a_line_of_no_clause_is_told():
    with pytest.raises(ValueError, match="line 2: JIF-7 is no clause"):
        KnownFailures.read("GIF-7\nJIF-7  # no\n")


def faults(text, failed=(), passed=(), pins=PINS, **options):
    """The faults of a list, where these tests, each with its clause, failed and passed."""
    outcomes_of = [{}, {}]
    for outcomes, pairs in zip(outcomes_of, (failed, passed), strict=True):
        for clause, test in pairs:
            outcomes.setdefault(clause, []).append(test)
    options = {"is_full": True, **options}
    return KnownFailures.read(text).find_faults(Outcomes(*outcomes_of, **options), pins)


A, B = ("GIF-7", "test_a[x]"), ("GIF-7", "test_b[x]")


def test_what_is_listed_and_fails_is_known():
    assert faults("GIF-7\n", [A]) == []
    assert faults("GIF-7\n", [A], [B]) == []
    assert faults("GIF-7 test_a\n", [A], [B]) == []


def test_what_is_not_listed_and_fails_is_a_regression():
    assert faults("", [A]) == ["regression: GIF-7 test_a[x]"]
    assert faults("GIF-7 test_a\n", [A, B]) == ["regression: GIF-7 test_b[x]"]
    assert faults("GIF-8\n", [A, ("GIF-8", "test_a[x]")]) == ["regression: GIF-7 test_a[x]"]


def test_what_is_listed_and_passes_is_to_be_deleted():
    said = ["passed, delete this line: GIF-7 test_b  # why"]
    assert faults("GIF-7 test_b  # why\nGIF-7 test_a\n", [A], [B]) == said
    assert faults("GIF-7 test_b  # why\n", [], [B], is_full=False) == said


def test_what_is_listed_and_not_judged_is_told_of_a_full_run():
    said = ["not judged, delete this line: GIF-7 test_c"]
    assert faults("GIF-7 test_c\n", [], [A]) == said
    assert faults("GIF-7 test_c\n", [], [A], is_full=False) == []
    elsewhere = frozenset({("GIF-7", "test_c")})
    assert faults("GIF-7 test_c\n", [], [A], elsewhere=elsewhere) == []


@pytest.mark.parametrize("name", PINS)
def test_a_list_is_of_its_versions(name):
    assert faults(LIST.partition("\n\n")[0], pins=PINS | {name: "other"}) == [
        f"the list is of {name} {PINS[name]}, which is other now"
    ]


def rewritten(text, failed, passed, **options):
    outcomes = Outcomes(failed, passed, **{"is_full": True, **options})
    known = KnownFailures.read(text).rewrite(outcomes, PINS, {"f.py::t[1]": "a\n# b"})
    assert known.find_faults(outcomes, PINS) == []
    return known.write()


def test_rewriting_keeps_comments_and_what_is_right():
    text = LIST.replace("law 1.0", "law 0.9")
    failed = {"GIF-7": ["test_a[x]"], "GIF-8": ["d/f.py::t[1]", "d/f.py::t[2]"]}
    got = rewritten(text, failed, {"HIST-2": ["test_order[mine-1]"]})
    kept = LIST.replace("HIST-2 test_order[mine-1]  # oldest last", "GIF-8 f.py::t")
    assert got == kept


def test_rewriting_names_cases_where_others_pass():
    got = rewritten("", {"GIF-8": ["f.py::t[1]"]}, {"GIF-8": ["f.py::t[2]"]})
    assert got.splitlines()[-1] == "GIF-8 f.py::t[1]  # a b"


def test_rewriting_names_the_function_of_drawn_problems():
    failed, passed = {"OP-1": ["f.py::t[1]"]}, {"OP-1": ["f.py::t[2]"]}
    got = rewritten("", failed, passed, blamed=frozenset({"f.py::t[1]"}))
    assert got.splitlines()[-1] == "OP-1 f.py::t  # a b"


def test_rewriting_after_a_part_keeps_what_was_not_judged():
    got = rewritten("GIF-7 test_c\n", {"GIF-8": ["f.py::t[2]"]}, {}, is_full=False)
    assert got.splitlines()[-2:] == ["GIF-7 test_c", "GIF-8 f.py::t"]


# The command


WRONG = "--implementation=wrong_implementations:newest_first"


def run(folder, *options):
    options = WRONG, "--clause=HIST-2,HIST-3", "-q", "--tb=no", *options
    return call(*options, cwd=folder)


@pytest.mark.parametrize("workers", ["-n0", "-n2"])
def test_the_command_writes_a_list_and_holds_to_it(tmp_path, workers):
    path, verdict = tmp_path / "known.txt", tmp_path / "verdict.json"
    written = run(tmp_path, f"--write-known-failures={path}", workers)
    assert written.returncode == 0, written.stdout
    text = path.read_text("utf-8")
    assert f"implementation newest_first {suite_version}" in text
    assert "HIST-2 test_history.py::test_order" in text
    rerun = run(tmp_path, f"--known-failures={path}", f"--verdict={verdict}", workers)
    assert rerun.returncode == 0, rerun.stdout
    assert "exactly as listed" in rerun.stdout
    assert "newest_first does not conform at 64 bits" in rerun.stdout
    assert "xfailed" in rerun.stdout
    (summary,) = json.loads(verdict.read_text("utf-8")).values()
    assert summary["clauses"]["HIST-2"]["status"] == "failed"
    assert not summary["passes"]


def test_the_command_tells_of_what_is_otherwise(tmp_path):
    path = tmp_path / "known.txt"
    path.write_text("CONF-1 test_adapter\nCONF-2 test_methods\n")
    told = run(tmp_path, "--clause=CONF-1", f"--known-failures={path}")
    assert told.returncode == 1
    assert "regression: HIST-2 conformance/chapters/states/test_history.py" in told.stdout
    assert "passed, delete this line: CONF-1 test_adapter" in told.stdout
    assert "line: CONF-2" not in told.stdout  # of which nothing was asked


@pytest.mark.parametrize("is_listed", [False, True])
def test_with_a_list_nothing_is_drawn_twice_or_made_smaller(tmp_path, is_listed):
    class Settings:
        def pytest_collection_finish(self):
            self.settings = hypothesis.settings()

    path, before = tmp_path / "known.txt", hypothesis.settings.get_current_profile_name()
    path.touch()
    options = [WRONG, "--clause=HIST-2", "--collect-only", "-p", "no:terminal"]
    plugin = Settings()
    try:
        judge([*options, *([f"--known-failures={path}"] if is_listed else [])], [plugin])
    finally:
        hypothesis.settings.load_profile(before)
    assert plugin.settings.derandomize is is_listed
    assert (hypothesis.Phase.shrink in plugin.settings.phases) is not is_listed


@pytest.mark.parametrize(
    ("text", "options", "said"),
    [
        ("JIF-7\n", [], "line 1: JIF-7 is no clause of SPEC.md"),
        (None, [], "No such file"),
        ("", ["--write-known-failures=other.txt"], "two files"),
        ("", ["--implementation=broken_adapters:loud"], "one --implementation"),
    ],
)
def test_lists_that_are_not_understood(tmp_path, text, options, said):
    path = tmp_path / "known.txt"
    if text is not None:
        path.write_text(text)
    got = run(tmp_path, f"--known-failures={path}", *options)
    assert got.returncode == 4
    assert said in got.stderr


def test_the_whole_suite_finds_lines_that_no_test_is_of(tmp_path):
    """Those of other profiles stay."""
    path = tmp_path / "known.txt"
    path.write_text("CONF-3 test_nothing\nMORPH-1 test_morphology\nGIF-1\n")
    options = "--implementation=broken_adapters:loud", "--profile=smoke", "-q"
    got = call(*options, f"--known-failures={path}", cwd=tmp_path)
    assert got.returncode == 1, got.stdout
    assert "not judged, delete this line: CONF-3 test_nothing" in got.stdout
    assert "not judged, delete this line: GIF-1" in got.stdout
    assert "line: MORPH-1" not in got.stdout
