"""README.md does what it says."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

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
