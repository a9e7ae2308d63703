"""List clauses: their text, the tests that judge them, and whether an adapter claims them."""

from __future__ import annotations

from collections.abc import Generator

import pytest

from conformance.clauses import TEXTS, applies
from conformance.cli.arguments import Parser, load_all
from conformance.cli.judge import judge
from conformance.options import choose_clauses

__all__ = ["main"]


def main(arguments: list[str]) -> int:
    """List the clauses that are asked for, or all."""
    parser = Parser("list", "List clauses, the tests that judge them, and what is claimed.")
    parser.add_implementation()
    parser.add_argument("--clause", action="append", metavar="CLAUSES")
    namespace = parser.parse_args(arguments)
    adapters = load_all(parser, namespace)
    collected = _Collected()
    options = [f"--clause={text}" for text in namespace.clause or ()]
    options += [f"--implementation={adapter.source}" for adapter in adapters]
    options += [f"--float={namespace.float}", "--collect-only", "-p", "no:terminal"]
    status = judge(options, [collected])
    if status != pytest.ExitCode.OK:
        return status
    for clause in collected.chosen:
        claiming = [adapter.name for adapter in adapters if applies(clause, adapter.claims)]
        print(f"[{clause}] {TEXTS[clause]}")
        print(f"  claimed by: {', '.join(claiming) or 'nobody'}")
        for test in sorted(collected.tests.get(clause, ())):
            print(f"  {test}")
        print()
    return status


class _Collected:
    """A plugin that keeps the names of the tests of each clause, whoever they apply to."""

    def __init__(self) -> None:
        self.tests: dict[str, set[str]] = {}
        self.chosen: list[str] = []

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_collection_modifyitems(
        self, config: pytest.Config, items: list[pytest.Item]
    ) -> Generator[None]:
        for item in items:
            for mark in item.iter_markers("clauses"):
                for clause in mark.args:
                    name = item.nodeid.partition("[")[0]
                    self.tests.setdefault(clause, set()).add(name)
        in_force, chosen = choose_clauses(config)
        self.chosen = [clause for clause in in_force if clause in chosen]
        return (yield)
