"""The command line: `python -m conformance [COMMAND] ...`.

Without a command all arguments are pytest's, and an implementation is judged. The exit status is
0 where it conforms or fails exactly as listed, 1 where it does not, 2 where its adapter is at
fault, 4 where the command is not understood.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable

__all__ = ["COMMANDS", "main"]

COMMANDS = {
    "judge": "conformance.cli.judge",
    "check": "conformance.cli.check",
    "init": "conformance.cli.init",
    "list": "conformance.cli.clauses",
    "compare": "conformance.cli.compare",
    "site": "conformance.cli.site",
    "table": "conformance.cli.table",
    "lock": "conformance.cli.lock",
}
"""By command, the module whose `main` takes what is behind it, and returns the exit status."""


def main(arguments: list[str]) -> int:
    """Do what the command line says, and return the exit status."""
    if arguments in (["-h"], ["--help"]):
        print(_help())
        return 0
    name, rest = (arguments[0], arguments[1:]) if arguments else ("judge", [])
    if name not in COMMANDS:
        name, rest = "judge", arguments
    command: Callable[[list[str]], int] = importlib.import_module(COMMANDS[name]).main
    try:
        return command(rest)
    except SystemExit as end:  # of a parser
        return end.code if isinstance(end.code, int) else 0


def _help() -> str:
    """What the commands do, by the first sentences of their modules."""
    lines = ["brainscale-judge [COMMAND] ...", ""]
    for name, module in COMMANDS.items():
        said = importlib.import_module(module).__doc__.partition("\n")[0]
        lines.append(f"  {name:8} {said}")
    lines += [
        "",
        "Without a command it judges. `brainscale-judge judge --help` has the options, pytest's",
        "and the group conformance; another command has its own.",
    ]
    return "\n".join(lines)
