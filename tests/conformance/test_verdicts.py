"""What is written of a verdict: data, a page, a summary, a badge, and what is made of several."""

from __future__ import annotations

import copy
import html.parser
import json
import re
import xml.etree.ElementTree as ElementTree

import pytest

from conformance import cli
from conformance.clauses import CHAPTERS, CLAUSES, TEXTS
from conformance.cli.compare import compare
from conformance.cli.site import make_site
from conformance.verdicts import (
    SCHEMA,
    WRITERS,
    find_faults,
    write_badge,
    write_index,
    write_page,
    write_verdict,
)
from conformance.versions import law_version
from judging.command import call
from judging.made_verdicts import verdict_of
from repository import ROOT

DOCUMENT = (ROOT / "docs" / "verdict.md").read_text("utf-8")


def data_of(*arguments, name="reference", **options):
    """The data of a verdict on the reference, under a name."""
    verdict, _ = verdict_of(*arguments, **options)
    (data,) = json.loads(json.dumps(verdict.as_dict())).values()
    return data | {"name": name, "statement": data["statement"].replace("reference", name, 1)}


@pytest.fixture(scope="module")
def passing():
    return data_of("full")


@pytest.fixture(scope="module")
def failing():
    data = data_of("quick", failing=("GIF-7", "LEARN-6"), name="<b>mine</b> & co")
    said = {"message": "a < b [x](y)", "example": "f(1)", "command": "python -m conformance"}
    data["clauses"]["GIF-7"] |= said
    return data


# The data


def test_verdicts_are_of_the_schema(passing, failing):
    assert list(find_faults({"a": passing, "b": failing})) == []


def test_the_command_writes_by_the_schema(tmp_path):
    paths = [tmp_path / f"v{ending}" for ending in WRITERS]
    options = [f"--verdict={path.name}" for path in paths]
    wrong = "--implementation=wrong_implementations:forward_euler"
    run = call(wrong, "--clause=GIF-3", "-q", "--tb=no", *options, cwd=tmp_path)
    assert run.returncode == 1
    verdicts = json.loads(paths[0].read_text("utf-8"))
    assert list(find_faults(verdicts)) == []
    clause = verdicts["forward_euler"]["clauses"]["GIF-3"]
    assert clause["status"] == "failed"
    assert clause["distance"] > 1e6
    assert re.match(r"row 0 after gif_step: at \(\d+,\) got \S+, expected \S+", clause["message"])
    assert "call_test(" in clause["example"]
    assert clause["command"].startswith("python -m conformance --implementation=wrong_impl")
    assert all(path.read_text("utf-8") for path in paths)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda v: v.pop("law"), "$.a lacks 'law'"),
        (lambda v: v.update(more=1), "$.a has 'more', which is no part of it"),
        (lambda v: v.update(format=2), "$.a.format is 2, needs 1"),
        (lambda v: v.update(format=True), "$.a.format is True, needs 1"),
        (lambda v: v.update(seed=True), "$.a.seed is True, needs to be of type integer"),
        (lambda v: v.update(passes=1), "$.a.passes is 1, needs to be of type boolean"),
        (lambda v: v.update(profile="fast"), "$.a.profile is 'fast', needs one of"),
        (lambda v: v["claims"].update(kinds=[1]), "$.a.claims.kinds[0] is 1, needs"),
        (lambda v: v["clauses"]["GIF-1"].update(status="ok"), "$.a.clauses.GIF-1.status is 'ok'"),
    ],
)
def test_what_is_not_of_the_schema_is_told(passing, change, said):
    data = copy.deepcopy(passing)
    change(data)
    (fault,) = find_faults({"a": data})
    assert fault.startswith(said)


def test_the_document_has_every_key_and_no_other():
    verdict = SCHEMA["additionalProperties"]["properties"]
    clause = verdict["clauses"]["additionalProperties"]["properties"]
    tables = DOCUMENT.partition("## The data")[2].split("| key")[1:]
    for table, properties in zip(tables, (verdict, clause), strict=True):
        cells = [row.split(" | ")[0] for row in table.splitlines()[2:] if row.startswith("|")]
        assert {name for cell in cells for name in re.findall(r"`(\w+)`", cell)} == set(properties)
    within = re.findall(r"`(\w+)`", " ".join(re.findall(r"\| `claims` \|.*", DOCUMENT)))
    assert set(within[1:]) == set(verdict["claims"]["properties"])
    assert set(re.findall(r"^\| `(\.\w+)` ", DOCUMENT, re.MULTILINE)) == set(WRITERS)


# The page


class Balance(html.parser.HTMLParser):
    """Whether tags are closed in order, and which there are."""

    def __init__(self, text):
        super().__init__()
        self.open, self.tags, self.attributes = [], [], []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.attributes += attributes
        if tag not in ("meta", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def check_page(text):
    """That a page is balanced, needs nothing else, and fits a narrow screen."""
    page = Balance(text)
    assert page.open == []
    assert not {"script", "link", "img", "iframe"} & {*page.tags}
    assert not {"src", "onclick"} & {name for name, _ in page.attributes}
    assert "url(" not in text
    assert ("name", "viewport") in page.attributes
    return page


def test_a_page_opens_into_clauses(passing, failing):
    text = write_page({"a": passing, "b": failing})
    page = check_page(text)
    assert page.tags.count("details") == 2 * (len(CHAPTERS) + len(CLAUSES))
    assert "a &lt; b [x](y)" in text
    assert "<b>mine" not in text
    assert html.escape(TEXTS["GIF-7"]) in text
    assert text.count("<details open>") == 2  # of the chapters in which something failed


def test_a_page_links_to_no_scripts(passing):
    assert "javascript" not in write_page({"a": passing | {"url": "javascript:alert(1)"}})
    assert "href='https://x.org'" in write_page({"a": passing | {"url": "https://x.org"}})


def test_a_site_is_of_implementations_by_clauses(passing, failing):
    later = data_of("quick", name="later", without=("OP-1",)) | {"law": "1.1"}
    del later["clauses"]["GIF-24"]
    files = make_site([passing, failing, later])
    names = ["index", "reference-64", "b-mine-b-co-64", "later-64"]
    assert set(files) == {"index.html", *(f"{n}{e}" for n in names[1:] for e in (".html", ".svg"))}
    index = check_page(files["index.html"])
    assert {value for name, value in index.attributes if name == "href"} <= set(files)
    row = re.search(r"<tr><td><abbr[^>]*>GIF-24</abbr>.*?</tr>", files["index.html"]).group()
    assert re.findall(r"title='([\w ]+)'>", row)[-3:] == ["passed", "passed", "not judged"]
    row = re.search(r"<tr><td><abbr[^>]*>GIF-7</abbr>.*?</tr>", files["index.html"]).group()
    assert re.findall(r"title='([\w ]+)'>", row)[-3:] == ["passed", "failed", "passed"]
    for chapter, statuses in (("GIF neuron", "✓ ✗ ✓"), ("Operations", "✓ ✓ ?")):
        title = re.search(rf"{chapter} (<span.*?)</summary>", files["index.html"]).group(1)
        assert re.sub("<.*?>", "", title) == statuses
    with pytest.raises(ValueError, match="two verdicts on reference"):
        make_site([passing, passing])
    assert write_index({}).startswith("<!DOCTYPE html>")


# The badge and the summary


@pytest.mark.parametrize(
    ("arguments", "options", "said"),
    [
        (("full",), {}, "conforms, 64 bits"),
        (("quick",), {}, "passes quick, 64 bits"),
        (("full",), {"failing": ("GIF-1",)}, "does not conform, 64 bits"),
        (("full",), {"without": ("GIF-1",)}, "not judged in full, 64 bits"),
    ],
)
def test_a_badge_says_no_more_than_the_verdict(arguments, options, said):
    drawing = ElementTree.fromstring(write_badge({"a": data_of(*arguments, **options)}))
    texts = [element.text for element in drawing.iter("{http://www.w3.org/2000/svg}text")]
    assert texts == [f"SPEC.md {law_version()}", said]


def test_a_summary_has_chapters_and_what_failed(tmp_path, failing):
    path = tmp_path / "summary.md"
    write_verdict(path, {"b": failing})
    text = path.read_text("utf-8")
    assert text.startswith("## \\<b\\>mine\\</b\\> & co does not conform at 64 bits")
    others = [clause for clause in CLAUSES if clause.startswith("GIF-") and clause != "GIF-7"]
    assert f"| The GIF neuron | {len(others)} | 1 |  |  |" in text
    assert "- **GIF-7** a \\< b \\[x\\](y)" in text
    assert "quick profile, 5 examples, seed 7" in text


# Comparing


def test_what_is_worse_and_what_is_better(passing, failing):
    lines, is_worse = compare(passing, failing)
    assert lines == [
        *("  profile: full -> quick", "  max_examples: 25 -> 5"),
        *("  GIF-7: passed -> failed", "  LEARN-6: passed -> failed"),
    ]
    assert is_worse
    assert compare(failing, passing)[1] is False
    assert compare(passing, passing) == ([], False)
    fewer = copy.deepcopy(passing)
    del fewer["clauses"]["GIF-24"]
    assert compare(passing, fewer) == (["  GIF-24: passed -> no clause"], True)
    assert compare(fewer, passing) == (["  GIF-24: no clause -> passed"], False)


def test_commands_on_files(tmp_path, capsys, passing, failing):
    old, new, bad = (tmp_path / f"{name}.json" for name in ("old", "new", "bad"))
    write_verdict(old, {"reference": passing})
    write_verdict(new, {"reference": failing})
    bad.write_text("{}".replace("}", '"a": 1}'))
    assert cli.main(["compare", str(old), str(new)]) == 1
    assert "GIF-7: passed -> failed" in capsys.readouterr().out
    assert cli.main(["compare", str(new), str(old)]) == 0
    assert cli.main(["compare", str(old), str(bad)]) == 4
    assert "$.a is 1, needs to be of type object" in capsys.readouterr().err
    assert cli.main(["site", str(old), str(new), "-o", str(tmp_path / "site" / "on")]) == 0
    assert len(list((tmp_path / "site" / "on").iterdir())) == 5
    assert cli.main(["site", str(old), str(old), "-o", str(tmp_path)]) == 4
