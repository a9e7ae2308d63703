"""The site's navigation is in both languages."""

from __future__ import annotations

import re

from repository import ROOT

NAMES = {"brainstate", "braintrace"}
"""Titles that are the same in any language."""


def test_every_title_is_translated():
    settings = (ROOT / "website/mkdocs.yml").read_text("utf-8")
    above, _, navigation = settings.partition("\nnav:\n")
    translations = above.partition("nav_translations:\n")[2].partition("\n  - ")[0]
    titles = re.findall(r"^ *- (?!\S+\.md$)(.+?):(?: \S+\.md)?$", navigation, re.MULTILINE)
    translated = re.findall(r"^ {12}(.+): \S.*$", translations, re.MULTILINE)
    assert len(titles) > 30
    assert {*titles} - NAMES == {*translated}
