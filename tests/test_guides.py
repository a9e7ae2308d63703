"""The programs in docs/ run as they are written, one after the other in a page."""

from __future__ import annotations

import re
import textwrap
from pathlib import Path

import brainstate
import numpy as np
import pytest

import brainscale
from repository import ROOT

DOCS = ROOT / "docs"


@pytest.fixture(autouse=True)
def an_environment_of_its_own():
    with brainstate.environ.context():
        before = dict(brainstate.environ.all())
        yield
        brainstate.environ.set(**before)


def sections(page):
    """The blocks of Python in each section of a page that has some, by the section's title."""
    for section in re.split(r"^## ", (DOCS / page).read_text("utf-8"), flags=re.MULTILINE):
        blocks = re.findall(r"```python\n(.*?)```", section, re.DOTALL)
        if blocks:
            yield section.splitlines()[0], blocks


def programs(page):
    """The sections of a page that are programs: they begin with their imports."""
    for title, blocks in sections(page):
        if "import brainscale" in blocks[0]:
            yield title, "\n".join(blocks)


def run(page, title):
    sources = dict(programs(page))
    names: dict = {}
    exec(compile(sources[title], f"{page}, {title}", "exec"), names)
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


@pytest.mark.parametrize("page", ["which-learner.md", "which-learner.zh.md"])
def test_a_rule_beside_the_exact_one(page):
    (title,) = dict(programs(page))
    assert 0.98 < run(page, title)["cosine"] < 1 - 1e-4


def test_the_ways_of_a_learner():
    """The blocks of a section that is of a model that the reader has."""
    model, inputs = brainscale.nn.GRUCell(3, 4), np.ones((5, 16, 3), np.float32)
    names = {"brainscale": brainscale, "brainstate": brainstate, "model": model, "xs": inputs}
    names |= {"example_input": inputs[0], "x": inputs[0], "y": np.zeros((16, 4), np.float32)}
    ways = dict(sections("learning.md"))["A learner"]
    by_class, by_name, rewards, one_step = map(textwrap.dedent, ways)
    for block in (by_class, by_name, one_step):
        exec(block, names)
    assert np.abs(names["gradients"]["Wh", "weight"]["weight"]).max() > 0
    names["learner"] = brainscale.compile(
        model, "three_factor", inputs[0], batch_size=16, decay=0.9
    )
    exec(rewards, names | {"rewards": np.ones((5, 16), np.float32)})


def test_a_loop(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (program,) = dict(sections("training.md"))["# Training"]

    readout = brainscale.nn.Linear(4, 2, param_type=brainscale.NonTempParam)
    names = {"np": np, "net": brainstate.nn.Sequential(brainscale.nn.GRUCell(3, 4), readout)}
    names["make_trials"] = lambda rng: (
        rng.normal(size=(6, 5, 3)).astype(np.float32),
        rng.integers(0, 2, (6, 5)),
    )
    exec(program.replace("1000", "3"), names)
    assert names["history"]["accuracy"].shape == (3,)
    assert (tmp_path / "run").exists()


def test_a_graph_of_nir(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = run("nir.md", "A graph that learns")
    gradients = names["gradients"]
    assert {path[1] for path in gradients} == {"into", "again", "read"}
    assert all(abs(gradient["weight"]).max() > 0 for gradient in gradients.values())
    written = names["nir"].read("trained.nir")
    np.testing.assert_array_equal(
        written.nodes["again"].weight, names["graph"].nodes["again"].weight
    )


def test_trials_of_several_lengths():
    names = run("training.md", "Trials of several lengths")
    assert np.isfinite(names["history"]["loss"]).all()
    assert {names["batches"](i).sequences[0].shape[0] for i in range(99)} == {10, 20}


ELSEWHERE = {
    "judge-your-own.md": "conformance/test_judge_your_own.py",
    "sharding.md": "brainscale/test_sharding.py",
}


CHINESE = [ROOT / "README.zh.md", *sorted(DOCS.glob("*.zh.md"))]


def without_code(page):
    return re.sub(r"```.*?```", "", page, flags=re.DOTALL)


@pytest.mark.parametrize("path", CHINESE, ids=lambda path: path.name)
def test_both_languages_say_the_same(path):
    """Programs, links, names and clauses are the same, as are the numbers of sections and rows."""
    chinese = path.read_text("utf-8")
    english = path.with_name(path.name.replace(".zh", "")).read_text("utf-8")
    blocks = [re.findall(r"```.*?```", page, re.DOTALL) for page in (chinese, english)]
    assert blocks[0] == blocks[1]
    for what in (r"\]\(([^)]+)\)", r"`[^`\n]+`", r"\b[A-Z]+-\d+\b"):
        names_of_both = [
            {name.replace(".zh.md", ".md") for name in re.findall(what, without_code(page))}
            for page in (chinese, english)
        ]
        assert names_of_both[0] == names_of_both[1], what
    for what in (r"^#+ ", r"^\|", r"^\d+\. ", r"^- "):
        counts = [
            len(re.findall(what, without_code(page), re.MULTILINE)) for page in (chinese, english)
        ]
        assert counts[0] == counts[1], what


@pytest.mark.parametrize("path", CHINESE, ids=lambda path: path.name)
def test_chinese_pages_lead_to_chinese_pages(path):
    for target in re.findall(r"\]\((?!\w+:)([^)#]+\.md)", path.read_text("utf-8")):
        assert (path.parent / target).is_file()
        chinese = path.parent / target.replace(".zh.md", ".md").replace(".md", ".zh.md")
        is_of_choice = target == path.name.replace(".zh.md", ".md")
        assert target.endswith(".zh.md") or is_of_choice or not chinese.exists(), target


ENGLISH = sorted({*DOCS.glob("*.md")} - {*CHINESE})


@pytest.mark.parametrize("path", ENGLISH, ids=lambda path: path.name)
def test_no_program_is_left_out(path):
    titles = [title for title, _ in sections(path.name)]
    if path.name in ELSEWHERE:
        assert path.name in (ROOT / "tests" / ELSEWHERE[path.name]).read_text("utf-8")
    elif titles:
        here = Path(__file__).read_text("utf-8")
        assert f'"{path.name}"' in here
        assert len(titles) == 1 or all(f'"{title}"' in here for title in titles)
