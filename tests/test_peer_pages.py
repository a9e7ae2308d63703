"""docs/peers/: programs print what their page says, and every known failure is named."""

from __future__ import annotations

import contextlib
import importlib.util
import io
import re
import traceback

import pytest

from conformance.known_failures import KnownFailures
from repository import ROOT

PAGES = sorted((ROOT / "docs" / "peers").glob("*.md"))
TEXTS = {page.stem: page.read_text("utf-8") for page in PAGES}

SECTIONS = [
    (name, *match)
    for name, text in TEXTS.items()
    for match in re.findall(r"^## (.*?)\n\n```python\n(.*?)```\n\n```\n(.*?)```", text, re.M | re.S)
]


def run(name, program):
    """What a program prints, and in the last line the error that ends it."""
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        try:
            exec(compile(program, name, "exec"), {})
        except Exception as error:
            print(*traceback.format_exception_only(error), sep="", end="")
    return out.getvalue()


def needs(name):
    """Skip what is about a package that is not installed."""
    missing = importlib.util.find_spec(name) is None
    return pytest.mark.skipif(missing, reason=f"{name} is not installed: .ci/run has it")


@pytest.mark.parametrize(
    ("name", "title", "program", "printed"),
    [pytest.param(*s, marks=needs(s[0]), id=f"{s[0]}-{s[1][:40]}") for s in SECTIONS],
)
@pytest.mark.filterwarnings("ignore")
def test_a_program_prints_what_its_page_says(name, title, program, printed):
    lines = [line for line in program.splitlines() if line and not line.startswith("import ")]
    assert len(lines) <= 10
    got = run(title, program)
    # What is cut short on the page ends with three dots.
    pattern = re.escape(printed.rstrip("\n")).replace(r"\ \.\.\.", ".*")
    assert re.fullmatch(pattern, got.rstrip("\n"), re.DOTALL), got


@pytest.mark.parametrize("name", TEXTS)
def test_a_page_names_every_clause_of_the_list(name):
    known = KnownFailures.read(
        (ROOT / "conformance" / "adapters" / "known" / f"{name}.txt").read_text("utf-8")
    )
    text = TEXTS[name]
    assert known.pins["implementation"] in text
    named = set(re.findall(r"\b[A-Z]+-\d+\b", text))
    assert named == {entry.clause for entry in known.entries}
    assert text.count("\n## ") == sum(section[0] == name for section in SECTIONS)


BEFORE = re.findall(
    r"^# %% \[markdown\]\n# ```python\n(.*?)^# ```\n(?=.*?`(loss [^`]*)`)",
    (ROOT / "tutorials" / "from_braintrace.py").read_text("utf-8"),
    re.M | re.S,
)


@needs("braintrace")
@pytest.mark.parametrize(("program", "printed"), BEFORE, ids=["recurrent", "spiking"])
@pytest.mark.filterwarnings("ignore")
def test_a_program_of_the_tutorial_prints_what_it_says(program, printed):
    got = run("before", re.sub(r"^# ?", "", program, flags=re.M))
    assert _losses(got) == pytest.approx(_losses(printed), abs=0.003)


def _losses(line):
    return [float(number) for number in re.findall(r"\d\.\d{3}", line)]
