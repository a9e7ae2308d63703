"""The site's navigation and its search are in both languages."""

from __future__ import annotations

import re

from repository import ROOT

NAMES = {"brainstate", "braintrace"}
"""Titles that are the same in any language."""


def read(path):
    return (ROOT / path).read_text("utf-8")


def test_every_title_is_translated():
    settings = read("website/mkdocs.yml")
    above, _, navigation = settings.partition("\nnav:\n")
    translations = above.partition("nav_translations:\n")[2].partition("\n  - ")[0]
    titles = re.findall(r"^ *- (?!\S+\.md$)(.+?):(?: \S+\.md)?$", navigation, re.MULTILINE)
    translated = re.findall(r"^ {12}(.+): \S.*$", translations, re.MULTILINE)
    assert len(titles) > 30
    assert {*titles} - NAMES == {*translated}


def test_the_search_knows_words_of_chinese():
    separator = re.search(r"separator: '(.*)'", read("website/mkdocs.yml"))
    assert re.split(separator[1], "膜电位\u200b的\u200b阈值，trace by") == [
        *("膜电位", "的", "阈值"),
        *("trace", "by"),
    ]
    assert re.search(r'^site = .*"jieba', read("pyproject.toml"), re.MULTILINE)
