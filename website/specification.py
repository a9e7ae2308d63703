"""SPEC.md as a page: an anchor for each clause, and what the tree has of the clause."""

from __future__ import annotations

import ast
import functools
import re
import subprocess
import sys
import textwrap
from collections import defaultdict
from collections.abc import Iterator

from conformance.clauses import CHAPTERS, CLAUSES
from source_tree import ROOT

CLAUSE = rf"\b(?:{'|'.join(CHAPTERS)})-\d+\b"
"""A regular expression for the id of a clause."""

WRONG = ROOT / "tests/conformance/wrong_implementations"
_WRITTEN = r"^- \*\*\[([A-Z]+-\d+)\]\*\*(.*?)(?=^- \*\*\[|\n+\n\S|\Z)"
_RANGE = re.compile(rf"({CLAUSE}) to ({CLAUSE})")

TITLES = {
    "en": ("Judged by", "Broken by", "In the reference"),
    "zh": ("评判它的测试", "违反它的错误实现", "参考实现中的对应代码"),
}
"""By language, what is shown of a clause."""

NOTES = {
    "en": "",
    "zh": "规范只有英文文本；每条条款之下列出评判它的测试、违反它的错误实现和参考实现。\n\n",
}
"""By language, what comes before the law."""

Links = dict[str, list[str]]
"""By clause, links in Markdown."""


def render(law: str, language: str = "en") -> str:
    """Give each clause of the law its anchor, its tests, what breaks it, and what it is in code.

    Parameters
    ----------
    law : str
        The text of SPEC.md.
    language : str, default "en"
        That of what is added, a key of `TITLES`.
    """
    found = find_tests(), find_wrong_implementations(), find_functions()
    shown = dict(zip(TITLES[language], found, strict=True))
    title, _, rest = law.partition("\n\n")
    law = f"{title}\n\n{NOTES[language]}{rest}"

    def block(match: re.Match[str]) -> str:
        clause, text = match.groups()
        text = textwrap.dedent("  " + text.strip())
        lines = [f'<div class="clause" id="{clause}" markdown>', "", f"**[{clause}]** {text}"]
        for title, links in shown.items():
            if links[clause]:
                lines += ["", f'??? abstract "{title}: {len(links[clause])}"', ""]
                lines += [f"    - {link}" for link in links[clause]]
        return "\n".join([*lines, "", "</div>", ""])

    return re.sub(_WRITTEN, block, law, flags=re.DOTALL | re.MULTILINE)


@functools.cache
def find_tests() -> Links:
    """The judge's own tests, as ``python -m conformance list`` has them."""
    command = [sys.executable, "-m", "conformance", "list"]
    command += ["--implementation=conformance.adapters.reference:implementation"]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    found: Links = defaultdict(list)
    clause = ""
    for line in run.stdout.splitlines():
        if match := re.match(r"\[([A-Z]+-\d+)\] ", line):
            clause = match[1]
        elif "::" in line:
            path, _, test = line.strip().partition("::")
            found[clause].append(_make_link(test, path, _find_lines(path)[test]))
    return found


@functools.cache
def find_wrong_implementations() -> Links:
    """Those that are there to break a clause, not those that it cannot but fail with."""
    sys.path.insert(0, str(WRONG.parent))
    from wrong_implementations import WRONG as every

    places = dict(_find_places())
    found: Links = defaultdict(list)
    for wrong in every.values():
        place = places.get(wrong.name, (WRONG.relative_to(ROOT).as_posix(), 0))
        found[wrong.clauses[0]].append(_make_link(wrong.name, *place))
    return found


def _find_places() -> Iterator[tuple[str, tuple[str, int]]]:
    for path in sorted(WRONG.glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield node.value, (path.relative_to(ROOT).as_posix(), node.lineno)


@functools.cache
def find_functions() -> Links:
    """Functions and classes of the reference whose docstrings cite a clause."""
    found: Links = defaultdict(list)
    for path in sorted((ROOT / "reference").rglob("*.py")):
        name = path.relative_to(ROOT).as_posix()
        module = name.removesuffix(".py").replace("/", ".").removesuffix(".__init__")
        for thing, line, docstring in _find_documented(ast.parse(path.read_text("utf-8")), module):
            for clause in sorted(find_cited(docstring)):
                found[clause].append(_make_link(thing, name, line))
    return found


def find_cited(text: str) -> set[str]:
    """The clauses that a text cites; "GIF-7 to GIF-9" are three."""
    found = {clause for clause in re.findall(CLAUSE, text) if clause in CLAUSES}
    for first, last in _RANGE.findall(text):
        between = CLAUSES[CLAUSES.index(first) : CLAUSES.index(last) + 1]
        found.update(between)
    return found


def _find_documented(node: ast.AST, name: str) -> Iterator[tuple[str, int, str]]:
    """What has a docstring in a module: its dotted name, its line, the docstring."""
    if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
        yield name, getattr(node, "lineno", 1), ast.get_docstring(node) or ""
        for child in node.body:
            if isinstance(child, ast.ClassDef | ast.FunctionDef):
                yield from _find_documented(child, f"{name}.{child.name}")


def _find_lines(path: str) -> dict[str, int]:
    nodes = ast.walk(ast.parse((ROOT / path).read_text("utf-8")))
    return {node.name: node.lineno for node in nodes if isinstance(node, ast.FunctionDef)}


def _make_link(name: str, path: str, line: int) -> str:
    return f"[`{name}`](tree:{path}{f'#L{line}' if line else ''})"
