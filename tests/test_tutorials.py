"""The tutorials run, come to what they say, and say it in both languages."""

from __future__ import annotations

import io
import os
import re
import runpy
import subprocess
import sys

import pytest
from PIL import Image

from repository import ROOT

TUTORIALS = sorted((ROOT / "tutorials").glob("*.py"))


@pytest.mark.parametrize("path", TUTORIALS, ids=lambda path: path.stem)
def test_it_comes_to_what_it_says(path):
    run = subprocess.run(
        [sys.executable, "-W", "error", path],
        env={**os.environ, "PYTHONPATH": str(ROOT), "MPLBACKEND": "agg", "XLA_FLAGS": ""},
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stderr


@pytest.mark.parametrize("path", TUTORIALS, ids=lambda path: path.stem)
def test_each_text_is_in_both_languages(path):
    languages = re.findall(r'^# %% \[markdown\] lang="(\w+)"$', path.read_text("utf-8"), re.M)
    assert languages == ["en", "zh"] * (len(languages) // 2)
    assert languages


def test_the_picture_moves(monkeypatch):
    monkeypatch.setenv("MPLBACKEND", "agg")
    names = runpy.run_path(str(ROOT / "tutorials/what_a_trace_is.py"))
    with Image.open(io.BytesIO(names["movie"].gif)) as movie:
        assert movie.n_frames == names["steps"] // 2
    assert names["movie"]._repr_html_().startswith("<img ")
