"""Write a skeleton of an adapter, from the classes of the protocol."""

from __future__ import annotations

import ast
import inspect
import textwrap
import types
from collections.abc import Callable, Iterable
from typing import Any

from conformance.cli.arguments import Parser
from conformance.protocol import implementation, problems
from conformance.protocol.claims import LEVELS, claims_of, misclaimed
from conformance.protocol.implementation import CAPABILITIES, PROTOCOLS, methods_of
from conformance.protocol.results import RESULTS

__all__ = ["main", "read_claims", "write_skeleton"]

SKELETON = '''\
"""The adapter of my implementation, to be judged by

    brainscale-judge check --implementation=adapter:implementation
    brainscale-judge --implementation=adapter:implementation

A method that raises `NotImplementedError` fails its clauses; the others are judged. An input that a
clause refuses is refused by raising the error of its name: `raise ERRORS["UnitError"]("...")`. Its
message says what it is about, what was got and what is needed (ERR-2). What crosses the adapter
is in `conformance.protocol.implementation` and, of networks, in `conformance.protocol.problems`.
"""

from __future__ import annotations

{imports}


class Adapter:
    """Claims {claimed}."""

    name = "my implementation"
    version = "0.1"
    capabilities = frozenset({capabilities})
{claims}
    def __init__(self, precision: int):
        self.precision = precision
{methods}

def implementation(precision: int) -> Adapter:
    """The adapter, at a precision of 32 or 64 bits."""
    return Adapter(precision)
'''


def main(arguments: list[str]) -> int:
    """Print the skeleton of an adapter that claims what the arguments say."""
    parser = Parser("init", "Write a skeleton of an adapter.")
    parser.add_argument(
        "--claims",
        required=True,
        help="capabilities, each with what is claimed of networks, as in gif,learning:LIF:D-RTRL",
    )
    try:
        capabilities, claims = read_claims(parser.parse_args(arguments).claims)
    except ValueError as error:
        parser.error(str(error))
    print(write_skeleton(capabilities, claims), end="")
    return 0


def read_claims(text: str) -> tuple[tuple[str, ...], dict[str, list[str]]]:
    """Read capabilities and narrowings, such as gif,learning:LIF:D-RTRL:recurrences=none.

    Raises
    ------
    ValueError
        A name is none, is one of several fields, or is not allowed by the capabilities.
    """
    names: set[str] = set()
    claims: dict[str, list[str]] = {}
    for part in text.split(","):
        capability, *levels = (word.strip() for word in part.split(":"))
        names.add(capability)
        for level in levels:
            field, name = _field_of(level)
            claims.setdefault(field, []).append(name)
    adapter = types.SimpleNamespace(capabilities=names, claims=claims)
    wrong = misclaimed(adapter)
    if wrong:
        raise ValueError(f"--claims: {'; '.join(wrong)}")
    return tuple(name for name in CAPABILITIES if name in names), claims


def _field_of(level: str) -> tuple[str, str]:
    """The field of `Claims` that a name is of: the one that has it, or the one that is given."""
    field, equals, name = level.rpartition("=")
    fields = [field] if equals else [field for field, names in LEVELS.items() if name in names]
    if len(fields) > 1:
        choices = " or ".join(f"{field}={name}" for field in fields)
        raise ValueError(f"--claims: {name} is {choices}")
    if not fields:
        raise ValueError(f"--claims: {name!r} is none of {', '.join(LEVELS)}")
    return fields[0], name


def write_skeleton(capabilities: Iterable[str], claims: dict[str, list[str]]) -> str:
    """Write the module of an adapter with these claims."""
    capabilities = list(capabilities)
    protocols = list(dict.fromkeys(PROTOCOLS[name] for name in capabilities))
    names = {name for capability in capabilities for name in methods_of(capability)}
    pieces: list[str] = []
    functions: list[Callable[..., Any]] = []
    for protocol in protocols:
        methods = [getattr(protocol, name) for name in _names_in_order(protocol) if name in names]
        if methods:
            pieces += [_comment(inspect.getdoc(protocol)), *map(_write_method, methods)]
        functions += methods
        names -= {function.__name__ for function in methods}
    adapter = types.SimpleNamespace(capabilities=set(capabilities), claims=claims)
    return SKELETON.format(
        imports=_imports(functions),
        claimed=claims_of(adapter),
        capabilities=f"{{{', '.join(map(repr, capabilities))}}}".replace("'", '"'),
        claims=_write_claims(claims),
        methods="".join(f"\n{textwrap.indent(part, '    ')}\n" for part in pieces),
    )


def _names_in_order(protocol: type) -> list[str]:
    """The names of a protocol's methods, its bases' first, as they stand in the source."""
    bases = [base for base in reversed(protocol.__mro__) if base.__module__ == protocol.__module__]
    return list(dict.fromkeys(name for base in bases for name in vars(base) if name[0] != "_"))


def _comment(text: str | None) -> str:
    return "\n".join(f"# {line}".rstrip() for line in (text or "").splitlines())


def _write_claims(claims: dict[str, list[str]]) -> str:
    if not claims:
        return ""
    sets = {field: ", ".join(f'"{name}"' for name in names) for field, names in claims.items()}
    rows = [f'        "{field}": {{{names}}},' for field, names in sets.items()]
    return "\n".join(["    claims = {", *rows, "    }", ""])


def _write_method(function: Callable[..., Any]) -> str:
    """The source of a protocol's method, which is not written yet."""
    source = textwrap.dedent(inspect.getsource(function))
    node = ast.parse(source).body[0]
    assert isinstance(node, ast.FunctionDef)
    first = node.body[0]
    head = source.splitlines()[: first.lineno - 1] or [source.removesuffix("...\n").rstrip()]
    doc = ast.get_docstring(node, clean=False)
    lines = [f'"""{doc}"""'.replace("\n    ", "\n")] if doc else []
    if function.__name__ in RESULTS:
        lines.append(f"# Returns {RESULTS[function.__name__][0]}.")
    lines.append(f'raise NotImplementedError("{function.__name__}")')
    return "\n".join([*head, *(textwrap.indent(line, "    ") for line in lines)])


def _imports(functions: list[Callable[..., Any]]) -> str:
    """The imports of the names in the signatures of some methods, and of the errors."""
    annotations = [text for function in functions for text in function.__annotations__.values()]
    names = {name for text in annotations for name in _names_in(text)}
    modules = {
        "collections.abc": {"Mapping", "Sequence"},
        "typing": {"Any", "Literal"},
        "conformance.protocol.problems": {*vars(problems)} - {"np"},
        "conformance.protocol.implementation": {*vars(implementation)} - {"np"},
    }
    lines = ["from conformance.errors import ERRORS  # noqa: F401"]
    for module, has in modules.items():
        imported = sorted(names & has)
        names -= has
        if imported:
            lines.append(f"from {module} import {', '.join(imported)}")
    order = {"collections.abc": 0, "typing": 1}
    lines.sort(key=lambda line: (order.get(line.split()[1], 2), line))
    standard = [line for line in lines if line.split()[1] in order]
    numpy = ["import numpy as np", ""] if "np" in names else []
    others = [line for line in lines if line not in standard]
    return "\n".join([*standard, *([""] if standard else []), *numpy, *others])


def _names_in(annotation: str) -> set[str]:
    return {node.id for node in ast.walk(ast.parse(annotation)) if isinstance(node, ast.Name)}
