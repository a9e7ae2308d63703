"""The programs in docs/ run as they are written, one after the other in a page."""

from __future__ import annotations

import re

import brainstate
import numpy as np
import pytest

from repository import ROOT

DOCS = ROOT / "docs"


@pytest.fixture(autouse=True)
def an_environment_of_its_own():
    with brainstate.environ.context():
        before = dict(brainstate.environ.all())
        yield
        brainstate.environ.set(**before)


def programs(page):
    """The blocks of a page from each that imports brainscale on, up to the next section."""
    for section in re.split(r"^## ", (DOCS / page).read_text("utf-8"), flags=re.MULTILINE):
        blocks = re.findall(r"```python\n(.*?)```", section, re.DOTALL)
        if blocks and "import brainscale" in blocks[0]:
            yield section.splitlines()[0], "\n".join(blocks)


def run(page, title):
    found = dict(programs(page))
    names: dict = {}
    exec(compile(found[title], f"{page}, {title}", "exec"), names)
    return names


def test_a_model_of_one_member_of_a_batch():
    names = run("from-braintrace.md", "A model of one member of a batch")
    assert abs(names["gradients"]).min() > 0
    np.testing.assert_allclose(names["gradients"], names["same_gradients"], rtol=2e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("title", "traces"),
    [
        ("Units of weights", {"into"}),
        ("Normalisation", {"into", "gain"}),
        ("Delays", {"into"}),
        ("Neurons that learn", {"neuron"}),
    ],
)
def test_models(title, traces):
    learner = run("learning.md", title)["learner"]
    assert {name.split(".")[0] for name in learner.etraces} == traces


def test_a_cell_from_a_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = run("cells.md", "A cell that runs")
    V = names["V"].to_decimal(names["u"].mV)
    # The current is into the soma, and the tip follows.
    assert -65 < V[names["tip"]] < V[0] < -50


def test_trials_of_several_lengths():
    names = run("training.md", "Trials of several lengths")
    assert np.isfinite(names["history"]["loss"]).all()
    assert {names["batches"](i).sequences[0].shape[0] for i in range(99)} == {10, 20}
