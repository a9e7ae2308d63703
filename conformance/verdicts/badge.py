"""The verdict as a badge: a drawing of one line."""

from __future__ import annotations

from html import escape
from typing import Any

from conformance.verdicts.tally import name_measure, verdict_word

__all__ = ["write_badge"]

_LETTER, _PAD, _HEIGHT = 6.6, 8, 20

_COLORS = {"conforms": "#2d7d3a", "does not conform": "#b3261e"}


def write_badge(verdicts: dict[str, Any]) -> str:
    """Draw the badge of the one implementation there is."""
    (verdict,) = verdicts.values()
    word = verdict_word(verdict)
    left, right = f"SPEC.md {verdict['law']}", f"{word}, {name_measure(verdict)}"
    title = escape(f"{left}: {verdict['statement']}", quote=True)
    widths = [2 * _PAD + _LETTER * len(text) for text in (left, right)]
    total = sum(widths)
    return f"""\
<svg xmlns="http://www.w3.org/2000/svg" width="{total:.0f}" height="{_HEIGHT}" role="img" \
aria-label="{title}">
<title>{title}</title>
<rect width="{total:.0f}" height="{_HEIGHT}" rx="3" fill="{_COLORS.get(word, "#57606a")}"/>
<rect width="{widths[0]:.0f}" height="{_HEIGHT}" rx="3" fill="#333"/>
<g fill="#fff" font-family="Verdana,DejaVu Sans,sans-serif" font-size="11" text-anchor="middle">
<text x="{widths[0] / 2:.1f}" y="14" textLength="{widths[0] - 2 * _PAD:.0f}">{escape(left)}</text>
<text x="{widths[0] + widths[1] / 2:.1f}" y="14" textLength="{widths[1] - 2 * _PAD:.0f}">\
{escape(right)}</text>
</g>
</svg>
"""
