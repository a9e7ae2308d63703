"""The repository's files as the site shows them."""

from __future__ import annotations

import ast
import posixpath
import re
import shutil
from pathlib import Path

from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import get_lexer_for_filename
from pygments.util import ClassNotFound

ROOT = Path(__file__).parents[1]

PAGES = {
    "README.md": "index.md",
    "README.zh.md": "index.zh.md",
    "SPEC.md": "specification.md",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
    "brainscale/README.md": "package.md",
}
"""Pages that lie outside of docs/."""

_SOURCES = {page: source for source, page in PAGES.items()}
_LINK = re.compile(r"(?<=\]\()(?!\w+:|#)([^)#\s]+)(#[^)\s]*)?(?=\))")
_CHINESE = "[\u3001-\u303f\u4e00-\u9fff\uff00-\uffef“”]"
_BREAK = re.compile(rf"(?<={_CHINESE})\n *(?={_CHINESE})")
_CODE = re.compile(r"(^```.*?^```|`[^`\n]+`)", re.DOTALL | re.MULTILINE)


def source_of(page: str) -> str:
    """Where in the tree a page is written."""
    return _SOURCES.get(page, f"docs/{page}")


def lead_links(markdown: str, source: str) -> str:
    """Lead the links of a page, which are written for the tree, to pages and to ``tree:PATH``."""
    page = PAGES.get(source, posixpath.relpath(source, "docs"))

    def lead(match: re.Match[str]) -> str:
        target = posixpath.normpath(posixpath.join(posixpath.dirname(source), match[1]))
        of_docs = posixpath.relpath(target, "docs")
        to = PAGES.get(target)
        if re.fullmatch(r"tutorials/\w+\.py", target):
            to = target.replace(".py", ".md")
        if to is None and not of_docs.startswith("..") and (ROOT / target).is_file():
            to = of_docs
        if to is None or not to.endswith((".md", ".png")):
            return match[0] if not (ROOT / target).exists() else f"tree:{target}"
        to = to.replace(".zh.md", ".md")
        return posixpath.relpath(to, posixpath.dirname(page) or ".") + (match[2] or "")

    parts = _CODE.split(markdown)
    return "".join(part if i % 2 else _LINK.sub(lead, part) for i, part in enumerate(parts))


def join_lines(markdown: str) -> str:
    """Join lines between Chinese characters, where a browser would show a blank."""
    parts = _CODE.split(markdown)
    return "".join(part if i % 2 else _BREAK.sub("", part) for i, part in enumerate(parts))


def address_of(path: str) -> str:
    """Where the site has a file or a folder of the tree."""
    return f"tree/{path}" if is_picture(Path(path)) else f"tree/{path}.html"


def is_picture(path: Path) -> bool:
    """Whether a browser shows the file as it is."""
    return path.suffix == ".png"


def write_source(path: Path, site: Path) -> None:
    """Write a file, with its lines numbered, or a folder, with what its files are."""
    name = path.relative_to(ROOT).as_posix()
    written = site / address_of(name)
    written.parent.mkdir(parents=True, exist_ok=True)
    if is_picture(path):
        shutil.copyfile(path, written)
        return
    text = _list_folder(path) if path.is_dir() else path.read_text("utf-8")
    try:
        lexer = get_lexer_for_filename(path.name)
    except ClassNotFound:
        lexer = get_lexer_for_filename("a.txt")
    formatter = HtmlFormatter(
        full=True, title=name, linenos="inline", lineanchors="L", anchorlinenos=True
    )
    page = highlight(text, lexer, formatter).replace('id="L-', 'id="L').replace('="L-', '="L')
    written.write_text(page.replace('href="#L-', 'href="#L').replace('name="L-', 'name="L'))


def _list_folder(folder: Path) -> str:
    """Name the files below a folder, and say the first sentence of each module."""
    lines = []
    for path in sorted(folder.rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts:
            lines.append(f"{path.relative_to(folder).as_posix():44} {_first_line(path)}".rstrip())
    return "\n".join(lines) + "\n"


def _first_line(path: Path) -> str:
    if path.suffix != ".py":
        return ""
    return (ast.get_docstring(ast.parse(path.read_text("utf-8"))) or "").partition("\n")[0]
