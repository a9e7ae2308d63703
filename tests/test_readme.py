"""README.md does what it says."""

from __future__ import annotations

import re
import subprocess
import sys

from repository import ROOT

README = (ROOT / "README.md").read_text()


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
    neuron, learning = EXAMPLES
    assert float(printed(neuron)) == 24
    assert printed(learning + LEARNS) == ""


def test_links_lead_somewhere():
    for target in re.findall(r"\]\(([^)#]+)\)", README):
        if not target.startswith("https://"):
            assert (ROOT / target).exists(), target


def test_two_commands():
    assert len(re.findall(r"```sh\n.*?```", README, re.DOTALL)) == 2
