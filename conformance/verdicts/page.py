"""The verdict as a page: one file, readable on a phone and without scripts."""

from __future__ import annotations

from html import escape
from typing import Any

from conformance.clauses import CHAPTERS, TEXTS, chapter
from conformance.verdicts.tally import STATUSES, describe, name_measure, tally, verdict_word

__all__ = ["write_index", "write_page"]

_STYLE = """\
:root { color-scheme: light dark; --line: #8884; }
body { font: 16px/1.45 system-ui, sans-serif; margin: 0 auto; max-width: 60rem; padding: 1rem; }
h1 { font-size: 1.4rem; } h2 { font-size: 1.15rem; margin-top: 2rem; }
p, summary, pre { overflow-wrap: anywhere; }
summary { cursor: pointer; padding: .45rem 0; border-bottom: 1px solid var(--line); }
details details { margin-left: .8rem; }
.counts { float: right; white-space: nowrap; }
.passed { color: #2d7d3a; } .failed { color: #c62828; font-weight: 600; }
.not-applicable, .not-judged { color: #767676; }
@media (prefers-color-scheme: dark) { .passed { color: #6cc57c; } .failed { color: #ff7b72; } }
.law { margin: .3rem 0 .3rem .8rem; }
pre { white-space: pre-wrap; padding: .6rem; border: 1px solid var(--line); font-size: .85rem; }
.wide { overflow-x: auto; } table { border-collapse: collapse; }
th, td { padding: .25rem .5rem; text-align: left; border-bottom: 1px solid var(--line); }
td + td, th + th { text-align: center; }
td, abbr { white-space: nowrap; } td:first-child { white-space: normal; }
.how { color: #767676; font-size: .9rem; }
"""


def write_page(verdicts: dict[str, Any]) -> str:
    """Write a page on some implementations: chapters that open into clauses."""
    title = "; ".join(f"{name} {verdict_word(verdict)}" for name, verdict in verdicts.items())
    body = "".join(_write_verdict(verdict) for verdict in verdicts.values())
    return _write_document(title, body)


def write_index(verdicts: dict[str, dict[str, Any]]) -> str:
    """Write a page of implementations by clauses.

    Parameters
    ----------
    verdicts : dict
        By the name of the page of each, the verdict.
    """
    heads = "".join(f"<th>{_link(page, verdict)}</th>" for page, verdict in verdicts.items())
    rows = "".join(
        f"<tr><td>{_link(page, v)}</td><td>{_sign_of_verdict(v)}</td>"
        f"<td>{escape(str(v['version'] or ''))}</td><td>{escape(v['law'])}</td>"
        f"<td>{escape(v['profile'])}</td><td>{escape(v['date'])}</td></tr>"
        for page, v in verdicts.items()
    )
    names = ["implementation", "verdict", "version", "SPEC.md", "profile", "date"]
    head = "".join(f"<th>{name}</th>" for name in names)
    table = f"<div class='wide'><table><tr>{head}</tr>{rows}</table></div>"
    clauses = list(dict.fromkeys(c for v in verdicts.values() for c in v["clauses"]))
    chapters = "".join(
        _write_matrix(prefix, [c for c in clauses if chapter(c) == prefix], verdicts, heads)
        for prefix in CHAPTERS
    )
    return _write_document("Who conforms", f"<h1>Who conforms</h1>{table}{chapters}")


def _write_matrix(
    prefix: str, clauses: list[str], verdicts: dict[str, dict[str, Any]], heads: str
) -> str:
    """A chapter's clauses by implementations, closed at first."""
    if not clauses:
        return ""
    rows = "".join(
        f"<tr><td><abbr title='{escape(TEXTS.get(clause, ''), quote=True)}'>{clause}</abbr></td>"
        + "".join(f"<td>{_sign(_status(v, clause))}</td>" for v in verdicts.values())
        + "</tr>"
        for clause in clauses
    )
    signs = " ".join(_sign(_status_of_chapter(v, prefix)) for v in verdicts.values())
    title = f"{CHAPTERS[prefix][0]} <span class='counts'>{signs}</span>"
    table = f"<div class='wide'><table><tr><th>clause</th>{heads}</tr>{rows}</table></div>"
    return f"<details><summary>{title}</summary>{table}</details>"


def _status_of_chapter(verdict: dict[str, Any], prefix: str) -> str:
    """A chapter's status: the one of its clauses' that says least for the implementation."""
    counts = tally(verdict).get(prefix, {"not judged": 1})
    order = ("failed", "not judged", "passed", "not applicable")
    return next(status for status in order if counts.get(status))


def _status(verdict: dict[str, Any], clause: str) -> str:
    """A clause's status; not judged where the verdict is by a law that has it not."""
    return verdict["clauses"].get(clause, {"status": "not judged"})["status"]


def _link(page: str, verdict: dict[str, Any]) -> str:
    """A link to the page of an implementation: its name, and what it is judged at."""
    title = escape(f"{verdict['name']}, {name_measure(verdict)}")
    return f'<a href="{escape(page, quote=True)}">{title}</a>'


def _sign_of_verdict(verdict: dict[str, Any]) -> str:
    word = verdict_word(verdict)
    css = {"conforms": "passed", "does not conform": "failed"}.get(word, "not-judged")
    return f"<span class='{css}'>{word}</span>"


def _sign(status: str, text: str = "") -> str:
    css = status.replace(" ", "-")
    return f"<span class='{css}' title='{status}'>{text or STATUSES[status]}</span>"


def _write_document(title: str, body: str) -> str:
    return f"""\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escape(title)}</title>
<style>
{_STYLE}</style>
</head>
<body>
{body}
</body>
</html>
"""


def _write_verdict(verdict: dict[str, Any]) -> str:
    chapters = "".join(_write_chapter(verdict, *item) for item in tally(verdict).items())
    version = f"version {escape(verdict['version'])}, " if verdict["version"] else ""
    url = escape(verdict["url"] or "", quote=True)
    link = f"<p><a href='{url}'>{url}</a></p>" if url.startswith(("https:", "http:")) else ""
    return (
        f"<h1>{escape(verdict['statement'])}</h1>{link}"
        f"<p class='how'>{version}{escape(describe(verdict))}</p>{chapters}"
    )


def _write_chapter(verdict: dict[str, Any], prefix: str, counts: dict[str, int]) -> str:
    """A chapter: its counts, and its clauses, which are shown at once where one has failed."""
    shown = " ".join(
        _sign(status, f"{STATUSES[status]} {count}") for status, count in counts.items() if count
    )
    clauses = "".join(
        _write_clause(clause, entry)
        for clause, entry in verdict["clauses"].items()
        if chapter(clause) == prefix
    )
    is_open = " open" if counts["failed"] else ""
    title = f"{CHAPTERS[prefix][0]} <span class='counts'>{shown}</span>"
    return f"<details{is_open}><summary>{title}</summary>{clauses}</details>"


def _write_clause(clause: str, entry: dict[str, Any]) -> str:
    """A clause: its status, its text, and what its failure says."""
    status, failed = entry["status"], entry["failed"]
    paragraphs = [f"<p class='law'>{escape(TEXTS.get(clause, ''))}</p>"]
    if entry["distance"] is not None:
        paragraphs.append(f"<p class='how'>largest error: {entry['distance']:.2g} tolerances</p>")
    if failed:
        paragraphs.append(f"<p>Tests: {len(failed)} failed, {entry['passed']} passed.</p>")
    for name in ("message", "example", "command"):
        if entry[name]:
            paragraphs.append(f"<pre>{escape(entry[name])}</pre>")
    title = f"{_sign(status)} {clause} {_sign(status, status)}"
    return f"<details><summary>{title}</summary>{''.join(paragraphs)}</details>"
