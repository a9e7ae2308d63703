"""Check the built site: every link into it leads to a page, and to an anchor that the page has."""

from __future__ import annotations

import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urldefrag

SITE = Path(__file__).parents[1] / "build/site"


class Page(HTMLParser):
    """What a page links to, and its anchors."""

    def __init__(self, path: Path):
        super().__init__()
        self.targets: set[str] = set()
        self.anchors: set[str] = {""}
        self.feed(path.read_text("utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name in ("href", "src") and value and tag != "base":
                self.targets.add(value)
            elif name == "id" or (name == "name" and tag == "a"):
                self.anchors.add(value or "")


def find_faults(site: Path) -> list[str]:
    """Say which links lead nowhere."""
    pages = {path: Page(path) for path in site.rglob("*.html") if path.name != "404.html"}
    faults = []
    for path, page in pages.items():
        for target in page.targets:
            address, anchor = urldefrag(target)
            if ":" in address.split("/")[0]:
                if not address.startswith(("https:", "http:", "mailto:", "data:")):
                    faults.append(f"{path.relative_to(site)}: {target} has no address")
                continue
            to = (path.parent / unquote(address)).resolve() if address else path
            to = to / "index.html" if to.is_dir() else to
            if not to.exists():
                faults.append(f"{path.relative_to(site)}: {target} leads nowhere")
            elif to in pages and unquote(anchor) not in pages[to].anchors:
                faults.append(f"{path.relative_to(site)}: {target} has no such anchor")
    return faults


if __name__ == "__main__":
    found = find_faults(SITE)
    print(*sorted(found), sep="\n")
    sys.exit(1 if found else 0)
