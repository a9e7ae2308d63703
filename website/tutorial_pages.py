"""The tutorials as pages and notebooks, in each language, with what their programs put out.

A tutorial is one program in tutorials/, in the percent format: its cells of text are marked by
language, and its code is that of all languages. It is run once; an error ends the build.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import jupytext
import nbformat
from nbclient import NotebookClient
from nbconvert import MarkdownExporter

from source_tree import ROOT

LANGUAGES = {"en": "", "zh": ".zh"}
"""By language, how the name of a page in it ends."""

_NOTE = {
    "en": "[This page as a notebook]({}). Its program is [tutorials/{}](tree:tutorials/{}).",
    "zh": "[本页的 notebook]({})。程序见 [tutorials/{}](tree:tutorials/{})。",
}


def write(folder: Path) -> None:
    """Run each tutorial, and write its pages, notebooks and pictures into a folder."""
    folder.mkdir()
    for path in sorted((ROOT / "tutorials").glob("*.py")):
        notebook = run(path)
        for language, ending in LANGUAGES.items():
            _write_page(folder, path, choose(notebook, language), language, ending)


def run(path: Path) -> nbformat.NotebookNode:
    """Run a tutorial from start to end; the notebook has its outputs, and both languages."""
    notebook = jupytext.read(path)
    os.environ["PYTHONPATH"] = str(ROOT)
    NotebookClient(notebook, kernel_name="python3", timeout=300).execute(cwd=str(ROOT))
    for cell in notebook.cells:  # What a library warns of names paths of this machine.
        if cell.cell_type == "code":
            cell.outputs = [output for output in cell.outputs if output.get("name") != "stderr"]
    _check_paths(path, notebook)
    return notebook


def _check_paths(path: Path, notebook: nbformat.NotebookNode) -> None:
    """Refuse outputs that name a place on this machine, which is no reader's."""
    for cell in notebook.cells:
        for place in (str(ROOT), sys.prefix):
            if place in str(cell.get("outputs", "")):
                raise ValueError(f"{path.name} puts out a path of this machine, {place}")


def choose(notebook: nbformat.NotebookNode, language: str) -> nbformat.NotebookNode:
    """The notebook's code, and the text that is of one language."""
    chosen = nbformat.from_dict(notebook)
    cells = [cell for cell in notebook.cells if cell.metadata.get("lang", language) == language]
    chosen.cells = cells
    return chosen


def _write_page(
    folder: Path, path: Path, notebook: nbformat.NotebookNode, language: str, ending: str
) -> None:
    name = path.stem
    pictures = {"output_files_dir": f"{name}_files", "unique_key": f"{name}{ending}"}
    text, resources = MarkdownExporter().from_notebook_node(notebook, resources=pictures)
    title, _, rest = text.lstrip().partition("\n")
    link = f"{name}{ending.replace('.', '-')}.ipynb"
    note = _NOTE[language].format(link, path.name, path.name)
    (folder / f"{name}{ending}.md").write_text(f"{title}\n\n{note}\n{rest}", "utf-8")
    nbformat.write(notebook, folder / link)
    for picture, content in resources["outputs"].items():
        (folder / picture).parent.mkdir(exist_ok=True)
        (folder / picture).write_bytes(content)
