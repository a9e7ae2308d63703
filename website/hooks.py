"""What mkdocs calls while it builds the site: pages made of the tree, and links into it."""

from __future__ import annotations

import functools
import re
import shutil
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import Files
from mkdocs.structure.pages import Page

import api_pages
import docstrings  # noqa: F401  # griffe_extension.py comes when this folder is off the path.
import source_tree
import specification
import tutorial_pages
from clause_links import ClauseLinks

FOLDER = Path(__file__).parent

GATHERED = source_tree.ROOT / "build/pages"

ONLY_ENGLISH = "本页只有英文。"

WRITTEN: set[Path] = set()
"""What pages link to that is no page: files and folders of the tree."""


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Build from a folder where all pages lie, and make ids of clauses links."""
    config.docs_dir = str(_gather_pages(Path(config.docs_dir)))
    config.markdown_extensions.append(ClauseLinks())  # type: ignore[arg-type]
    return config


@functools.cache  # Each language is a build of its own.
def _gather_pages(docs: Path) -> Path:
    """Copy docs/, and add the pages that lie outside of it, or are made."""
    if docs == GATHERED:
        return docs
    shutil.rmtree(GATHERED, ignore_errors=True)
    shutil.copytree(docs, GATHERED)
    made = {
        page: (source_tree.ROOT / source).read_text("utf-8")
        for source, page in source_tree.PAGES.items()
    }
    for page in ("index.md", "index.zh.md"):  # The site has its own choice of language.
        made[page] = re.sub(r"\n\n[^\n]*English[^\n]*中文[^\n]*\n", "\n", made[page], count=1)
    law = made["specification.md"]
    made["specification.md"] = specification.render(law)
    made["specification.zh.md"] = specification.render(law, "zh")
    made |= api_pages.make()
    made["site.css"] = (FOLDER / "site.css").read_text("utf-8")
    for path, content in made.items():
        (GATHERED / path).parent.mkdir(exist_ok=True)
        (GATHERED / path).write_text(content, "utf-8")
    tutorial_pages.write(GATHERED / "tutorials")
    return GATHERED


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Make links go to pages of the site, or to the tree's files as the site shows them."""
    linked = source_tree.lead_links(markdown, source_tree.source_of(page.file.src_uri))
    return _say_language(source_tree.join_lines(linked), page)


def _say_language(markdown: str, page: Page) -> str:
    """Say below the title of a page that it is not in the language of its site yet."""
    if page.file.locale == page.file.locale_alternate_of:  # type: ignore[attr-defined]
        return markdown
    title, _, rest = markdown.lstrip().partition("\n")
    return f"{title}\n\n*{ONLY_ENGLISH}*\n{rest}"


def on_page_content(html: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Give the links to clauses and into the tree their addresses, seen from the page."""

    def address(match: re.Match[str]) -> str:
        scheme, target = match.groups()
        if scheme == "clause":
            law = files.get_file_from_path("specification.md")
            assert law is not None
            return f'href="{law.url_relative_to(page.file)}#{target}"'
        path, _, line = target.partition("#")
        WRITTEN.add(source_tree.ROOT / path)
        return f'href="{_up(page)}{source_tree.address_of(path)}{"#" + line if line else ""}"'

    return re.sub(r'href="(clause|tree):([^"]*)"', address, html)


def on_post_page(output: str, page: Page, config: MkDocsConfig) -> str:
    """Make the choice of language relative, so that the site may lie in any folder."""
    return re.sub(r'href="/((?:zh/)?)"', lambda match: f'href="{_up(page)}{match[1]}"', output)


def _up(page: Page) -> str:
    """The way from a page to the site's root."""
    return "../" * len([part for part in page.url.split("/") if part.strip(".")]) or "./"


def on_post_build(config: MkDocsConfig, **_: Any) -> None:
    """Write the files and folders that pages link to."""
    for path in WRITTEN:
        source_tree.write_source(path, Path(config.site_dir))
