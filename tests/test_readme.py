"""README.md does what it says."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

import brainscale
from conformance.protocol.claims import RULES
from repository import ROOT

README = (ROOT / "README.md").read_text("utf-8")
CHINESE = (ROOT / "README.zh.md").read_text("utf-8")


EXAMPLES = re.findall(r"```python\n(.*?)```", README, re.DOTALL)

LEARNS = """
assert losses.shape == (50,)
for key, gradient in gradients.items():
    assert abs(u.get_mantissa(gradient)).max() > 0, key
"""


def printed(example):
    run = subprocess.run(
        [sys.executable, "-c", example], check=True, capture_output=True, text=True, cwd=ROOT
    )
    return run.stdout


def test_examples_run():
    training, neuron, learning = EXAMPLES
    first, last = map(float, printed(training).split(" -> "))
    assert (first, round(last, 1)) == (0.69, 0.1)
    assert float(printed(neuron)) == 24
    assert printed(learning + LEARNS) == ""


@pytest.mark.parametrize("page", [README, CHINESE], ids=["english", "chinese"])
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", page):
        if not target.startswith("https://"):
            assert (ROOT / target).exists(), target


def test_both_languages_have_the_same_programs():
    programs = [
        re.findall(r"```(?:sh|python)\n.*?```", page, re.DOTALL) for page in (README, CHINESE)
    ]
    assert programs[0] == programs[1]


def test_two_commands():
    assert len(re.findall(r"```sh\n.*?```", README, re.DOTALL)) == 2


def test_citation():
    """It is of this version, and has a paper for each rule that there is to train with."""
    citation = (ROOT / "CITATION.cff").read_text("utf-8")
    assert re.findall(r"^version: (.*)$", citation, re.MULTILINE) == [brainscale.__version__]
    papers = citation.partition("\nreferences:\n")[2].split("\n  - type: ")[1:]
    notes = "; ".join(re.findall(r"^    notes: (.*)$", citation, re.MULTILINE))
    for rule in RULES:
        assert re.search(rf"(?<![\w-]){rule}(?![\w-])", notes), rule
    for paper in papers:
        assert all(f"    {key}: " in paper for key in ("title", "year"))
        assert "    authors:" in paper
        assert "doi: 10." in paper or "arXiv:" in paper
