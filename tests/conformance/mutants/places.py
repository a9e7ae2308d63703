"""What may change in `reference/`, and the change, in syntax trees."""

from __future__ import annotations

import ast
import copy
import dataclasses
from collections.abc import Callable, Iterator
from pathlib import Path

ROOT = Path(__file__).parents[3]
REFERENCE = ROOT / "reference"
#: The files of `reference`, by their paths there with dots between.
MODULES = {
    ".".join(path.relative_to(REFERENCE).with_suffix("").parts): path
    for path in REFERENCE.rglob("*.py")
}

SWAPPED = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.FloorDiv,
    ast.Pow: ast.Mult,
    ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
    ast.And: ast.Or,
    ast.Or: ast.And,
}
FUNCTIONS = {
    "zeros": "ones",
    "ones": "zeros",
    "zeros_like": "ones_like",
    "ones_like": "zeros_like",
    "max": "min",
    "min": "max",
    "maximum": "minimum",
    "minimum": "maximum",
    "all": "any",
    "any": "all",
    "exp": "expm1",
    "abs": "negative",
    "sum": "prod",
    "sin": "cos",
    "sqrt": "square",
    "sign": "abs",
}


@dataclasses.dataclass(frozen=True)
class Place:
    """A change of one node.

    Attributes
    ----------
    module : str
        A module of `reference`, by its path there: "gif.equations", or "gif.__init__".
    function : str
        The qualified name of the function that it is in; "" of a module or a class.
    change : str
        What becomes of what.
    count : int
        How many equal changes of that function there are before it.
    line : int
    node, kind : int, str
        Which node of the tree, in the order of `ast.walk`, and how it changes.
    """

    module: str
    function: str
    change: str
    count: int
    line: int = dataclasses.field(compare=False)
    node: int = dataclasses.field(compare=False)
    kind: str = dataclasses.field(compare=False)

    @property
    def name(self) -> str:
        """What it is called in `known.json`: the same as long as the function is."""
        suffix = f" #{self.count + 1}" if self.count else ""
        return f"{self.module}.{self.function}: {self.change}{suffix}"

    def source(self) -> ast.Module:
        """The module's tree with the change."""
        tree = read_module(self.module)
        nodes = list(ast.walk(tree))
        changed = _changes(nodes[self.node])[self.kind]()
        return ast.fix_missing_locations(_Replacing(nodes[self.node], changed).visit(tree))


class _Replacing(ast.NodeTransformer):
    def __init__(self, old: ast.AST, new: ast.AST):
        self.old, self.new = old, new

    def visit(self, node: ast.AST) -> ast.AST:
        if node is self.old:
            return ast.copy_location(self.new, node)
        return super().generic_visit(node)


def places() -> list[Place]:
    """All places, module by module."""
    return [place for module in sorted(MODULES) for place in _places_of(module)]


def read_module(module: str) -> ast.Module:
    """The tree of a module as it is, by its name in `MODULES`."""
    return ast.parse(MODULES[module].read_text("utf-8"))


def _places_of(module: str) -> Iterator[Place]:
    tree, counts = read_module(module), {}
    numbers = {node: i for i, node in enumerate(ast.walk(tree))}
    for function, node in _judged(tree, ""):
        for kind, change in _changes(node).items():
            shown = f"{_shown(node)} -> {_shown(change())}"
            count = counts.setdefault((function, shown), 0)
            counts[function, shown] += 1
            yield Place(module, function, shown, count, node.lineno, numbers[node], kind)


def _judged(node: ast.AST, function: str) -> Iterator[tuple[str, ast.AST]]:
    """The nodes that may change, each with its function; no annotations, messages, docstrings."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Raise | ast.Import | ast.ImportFrom | ast.JoinedStr | ast.arg):
            continue
        name = function
        if isinstance(child, ast.FunctionDef | ast.ClassDef):
            name = f"{function}.{child.name}".lstrip(".")
        if isinstance(child, ast.expr | ast.stmt):
            yield name, child
        if isinstance(child, ast.AnnAssign):
            if child.value is not None:
                yield name, child.value
                yield from _judged(child.value, name)
            continue
        if isinstance(child, ast.FunctionDef):
            for part in (*child.args.defaults, *filter(None, child.args.kw_defaults)):
                yield name, part
                yield from _judged(part, name)
            yield from _judged(ast.Module(child.body, []), name)
            continue
        yield from _judged(child, name)


def _changes(node: ast.AST) -> dict[str, Callable[[], ast.AST]]:
    """What may become of a node, by kind."""

    def other(**fields: object) -> ast.AST:
        copied = copy.copy(node)
        for name, value in fields.items():
            setattr(copied, name, value)
        return copied

    changes: dict[str, Callable[[], ast.AST]] = {}
    if isinstance(node, ast.BinOp | ast.AugAssign | ast.BoolOp) and type(node.op) in SWAPPED:
        changes["operator"] = lambda: other(op=SWAPPED[type(node.op)]())
    if isinstance(node, ast.Compare) and type(node.ops[0]) in SWAPPED:
        changes["comparison"] = lambda: other(ops=[SWAPPED[type(node.ops[0])](), *node.ops[1:]])
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub | ast.Not):
        changes["sign"] = lambda: node.operand
    if isinstance(node, ast.Constant) and isinstance(node.value, bool | int | float):
        changes["constant"] = lambda: other(value=_another(node.value))
        if type(node.value) is int and node.value > 0:
            changes["less"] = lambda: other(value=node.value - 1)
    if isinstance(node, ast.If):
        changes["negated"] = lambda: other(test=ast.UnaryOp(ast.Not(), node.test))
    if isinstance(node, ast.IfExp):
        changes["branch"] = lambda: node.orelse
    if isinstance(node, ast.AugAssign) or (
        isinstance(node, ast.Assign) and not isinstance(node.targets[0], ast.Name | ast.Tuple)
    ):
        changes["dropped"] = ast.Pass
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
        changes["dropped"] = ast.Pass
    if isinstance(node, ast.Call):
        changes |= _changes_of_call(node, other)
    return changes


def _changes_of_call(node: ast.Call, other: Callable) -> dict[str, Callable[[], ast.AST]]:
    changes: dict[str, Callable[[], ast.AST]] = {}
    is_plain = not any(isinstance(argument, ast.Starred) for argument in node.args[:2])
    # isinstance would but raise a TypeError.
    if len(node.args) >= 2 and is_plain and ast.unparse(node.func) != "isinstance":
        first, second, *rest = node.args
        changes["arguments"] = lambda: other(args=[second, first, *rest])
    if node.keywords and node.keywords[-1].arg:
        changes["keyword"] = lambda: other(keywords=node.keywords[:-1])
    called = node.func
    is_numpy = isinstance(called, ast.Attribute) and isinstance(called.value, ast.Name)
    if is_numpy and called.value.id == "np" and called.attr in FUNCTIONS:
        name = ast.Attribute(called.value, FUNCTIONS[called.attr], ast.Load())
        changes["function"] = lambda: other(func=name)
    return changes


def _another(value: bool | int | float) -> bool | int | float:
    if isinstance(value, bool):
        return not value
    return value + 1 if isinstance(value, int) or value == 0 else value * 1.25


def _shown(node: ast.AST) -> str:
    lines = ast.unparse(ast.fix_missing_locations(copy.deepcopy(node))).splitlines() or [""]
    return lines[0]
