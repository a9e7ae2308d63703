"""A Markdown extension: the id of a clause links to the clause."""

from __future__ import annotations

import re
from xml.etree.ElementTree import Element

from markdown import Extension, Markdown
from markdown.inlinepatterns import InlineProcessor

from conformance.clauses import CLAUSES
from specification import CLAUSE


class ClauseLinks(Extension):
    """Makes ``LEARN-3`` a link to the clause, wherever it is no code, heading or link."""

    def extendMarkdown(self, md: Markdown) -> None:
        md.inlinePatterns.register(_Processor(rf"({CLAUSE})", md), "clause", 15)


class _Processor(InlineProcessor):
    ANCESTOR_EXCLUDES = ("a", "h1", "h2", "h3", "h4", "h5", "h6")

    def handleMatch(self, m: re.Match[str], data: str) -> tuple[Element | str, int, int]:  # type: ignore[override]
        if m[1] not in CLAUSES:
            return m[1], m.start(0), m.end(0)
        link = Element("a", {"href": f"clause:{m[1]}", "class": "clause-id"})
        link.text = m[1]
        return link, m.start(0), m.end(0)
