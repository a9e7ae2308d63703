"""A figure of what a learner found in its model. All lengths are inches."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ..errors import MissingPackageError
from .nodes import Nodes, describe_shapes, describe_size
from .paths import INPUT, OUTPUT

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["draw_figure"]

ORANGE, SKY, GREEN, BLUE, VERMILION = "#e69f00", "#56b4e9", "#009e73", "#0072b2", "#d55e00"
"""Of Okabe and Ito, which the colour-blind tell apart."""
GREY = "#7f7f7f"

STYLES = {"new": (BLUE, "-"), "old": (VERMILION, (0, (4, 2))), "plain": (GREY, "-")}
"""Of arrows: within a step, from the step before, from a plain parameter."""

FONT = 8.5
LINE = 1.4 * FONT / 72
MARGIN, GAP, BETWEEN, ASIDE, EDGE = 0.1, 0.8, 0.28, 0.08, 0.25
TITLE, LEGEND, NARROWEST = 0.9, 0.5, 8.4


class Box(NamedTuple):
    """What a node says, its first line being its name, and its colour.

    A secondary one has no input of the same step: it stands below the line from input to output.
    """

    lines: list[str]
    colour: str
    secondary: bool = False

    @property
    def size(self) -> np.ndarray:
        """Width and height."""
        name, *others = (len(line) for line in self.lines)
        width = max([0.68 * name, *(0.58 * other for other in others)]) * FONT / 72
        return np.array([width + 2 * MARGIN, len(self.lines) * LINE + 2 * MARGIN])


class Arrow(NamedTuple):
    """From node to node; its kind is one of `STYLES`."""

    start: Any
    end: Any
    kind: str


def draw_figure(graph: Nodes) -> Figure:
    """Draw the figure: what follows within a step goes from left to right.

    Raises
    ------
    MissingPackageError
        Without matplotlib.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingPackageError(
            "a figure needs matplotlib: pip install 'matplotlib>=3.9'"
        ) from error
    boxes, arrows = _make_boxes(graph), list(_make_arrows(graph))
    centres = _place_nodes(boxes, _find_columns(graph, arrows))
    halves = {node: box.size / 2 for node, box in boxes.items()}
    left, low = np.min([centres[node] - halves[node] for node in boxes], 0) - EDGE
    right, high = np.max([centres[node] + halves[node] for node in boxes], 0) + EDGE
    more = max(0, NARROWEST - (right - left)) / 2
    left, right, low, high = left - more, right + more, low - LEGEND, high + TITLE
    figure = Figure(figsize=(right - left, high - low), dpi=120)
    ax = figure.add_axes((0, 0, 1, 1))
    ax.set(xlim=(left, right), ylim=(low, high))
    ax.axis("off")
    for arrow in arrows:
        _draw_arrow(ax, centres, halves, arrow)
    for node, box in boxes.items():
        _draw_box(ax, box, centres[node])
    title = f"{graph.model} learns by {graph.learner}"
    at = {"x": left + EDGE, "va": "top"}
    ax.text(y=high - EDGE, s=title, fontsize=FONT + 4, fontweight="bold", **at)
    ax.text(y=high - EDGE - 2 * LINE, s=f"all traces: {graph.size}", fontsize=FONT, **at)
    _draw_legend(ax)
    return figure


def _make_boxes(graph: Nodes) -> dict[Any, Box]:
    boxes: dict[Any, Box] = {INPUT: Box([INPUT], GREY), OUTPUT: Box([OUTPUT], GREY)}
    for g, group in enumerate(graph.groups):
        each = f"{group.size} variable{'s' if group.size > 1 else ''} each"
        boxes[g] = Box([f"group {g + 1}", *group.states, f"neurons {group.shape}", each], SKY)
    for node in graph.traced:
        cost = f"{node.rule}: {describe_size(node.numbers, node.bytes)}" if node.rule else "frozen"
        lines = [node.name, node.operation, *_list_shapes(node.shapes), cost]
        colour = ORANGE if node.approximate else GREEN if node.rule else GREY
        boxes[node.name] = Box(lines, colour, not node.new)
    for node in graph.plain:
        lines = [node.name, "plain" if node.into else "frozen", *_list_shapes(node.shapes)]
        colour = ORANGE if node.approximate else GREEN if node.into else GREY
        boxes[node.name] = Box(lines, colour, True)
    return boxes


def _list_shapes(shapes: dict[str, tuple[int, ...]]) -> list[str]:
    return describe_shapes(shapes).split(", ") if len(shapes) > 3 else [describe_shapes(shapes)]


def _make_arrows(graph: Nodes) -> Iterable[Arrow]:
    for node in graph.traced:
        yield from (Arrow(place, node.name, "new") for place in node.new)
        yield from (Arrow(place, node.name, "old") for place in node.old)
        yield from (Arrow(node.name, group, "new") for group in node.groups)
    yield from (Arrow(place, OUTPUT, "new") for place in graph.output)
    for node in graph.plain:
        yield from (Arrow(node.name, place, "plain") for place in node.into)


def _find_columns(graph: Nodes, arrows: list[Arrow]) -> dict[Any, int]:
    """Find the column of each node: behind all that enters it in a step, close to what follows.

    Where arrows go in a circle, the last of them is not heeded.
    """
    enters: dict[Any, list[Any]] = {}
    for arrow in arrows:
        if arrow.kind == "new":
            enters.setdefault(arrow.end, []).append(arrow.start)
    columns: dict[Any, int] = {}

    def column(node: Any, after: tuple[Any, ...]) -> int:
        if node not in columns:
            before = [n for n in enters.get(node, []) if n not in (*after, node)]
            depth = [column(n, (*after, node)) for n in before]
            least = 0 if node == INPUT else 1
            columns[node] = max([least, *(d + 1 for d in depth)])
        return columns[node]

    for g in range(len(graph.groups)):
        column(g, ())
    for node in graph.traced:
        column(node.name, ())
    last = max(columns.values(), default=0)
    aside = any(node.into == (OUTPUT,) for node in graph.plain)
    columns |= {INPUT: 0, OUTPUT: last + (2 if aside else 1)}
    for node in reversed([*graph.plain, *graph.traced]):
        follows = [columns[a.end] for a in arrows if a.start == node.name and a.kind != "old"]
        follows = [later for later in follows if later > columns.get(node.name, 0)]
        if follows:
            columns[node.name] = min(follows) - 1
        columns.setdefault(node.name, 0)
    return columns


def _place_nodes(boxes: dict[Any, Box], columns: dict[Any, int]) -> dict[Any, np.ndarray]:
    """Place the nodes' centres: the main ones about the middle line, the secondary ones below."""
    centres, x = {}, 0.0
    for column in sorted(set(columns.values())):
        nodes = [node for node in boxes if columns[node] == column]
        main = [node for node in nodes if not boxes[node].secondary]
        below = [node for node in nodes if boxes[node].secondary]
        width = max(boxes[node].size[0] for node in nodes)
        height = sum(boxes[node].size[1] + BETWEEN for node in main) - BETWEEN
        y = height / 2 if main else -0.45
        for node in [*main, *below]:
            tall = boxes[node].size[1]
            centres[node] = np.array([x + width / 2, y - tall / 2])
            y -= tall + BETWEEN
        x += width + GAP
    return centres


def _draw_box(ax: Axes, box: Box, centre: np.ndarray) -> None:
    from matplotlib.patches import FancyBboxPatch

    corner, (width, height) = tuple(centre - box.size / 2), box.size
    style = f"round,pad=0,rounding_size={0.18 if box.colour == SKY else 0.04}"
    for alpha, colours in ((1.0, ("white", "none")), (0.22, (box.colour, "none"))):
        face, edge = colours
        ax.add_patch(
            FancyBboxPatch(corner, width, height, style, fc=face, ec=edge, alpha=alpha, zorder=3)
        )
    ax.add_patch(
        FancyBboxPatch(corner, width, height, style, fc="none", ec=box.colour, lw=1.4, zorder=3)
    )
    for row, line in enumerate(box.lines):
        y = centre[1] + height / 2 - MARGIN - (row + 0.5) * LINE
        weight, size = ("bold", FONT) if row == 0 else ("normal", FONT - 1)
        style = {"fontsize": size, "fontweight": weight, "zorder": 4}
        ax.text(centre[0], y, line, ha="center", va="center", **style)


def _draw_arrow(
    ax: Axes, centres: dict[Any, np.ndarray], halves: dict[Any, np.ndarray], arrow: Arrow
) -> None:
    """Straight where nothing is in the way, and else around it."""
    from matplotlib.patches import FancyArrowPatch
    from matplotlib.path import Path

    start, end = centres[arrow.start], centres[arrow.end]
    half = halves[arrow.start], halves[arrow.end]
    side = 1 if end[0] > start[0] else -1
    aside = -ASIDE if arrow.kind == "old" else ASIDE if side > 0 else 0
    tail = start + np.array([side * half[0][0], aside])
    head = end + np.array([-side * half[1][0], aside])
    others = [(centres[n], halves[n]) for n in centres if n not in (arrow.start, arrow.end)]
    points, codes = [tail, head], [Path.MOVETO, Path.LINETO]
    if not _is_free(tail, head, others):
        up = _choose_side(start, end, others, arrow)
        turn = max(up * centres[n][1] + halves[n][1] for n in centres) + ASIDE
        tail, head = (
            at + np.array([0, up * h[1]]) for at, h in zip((start, end), half, strict=True)
        )
        points = [tail, [tail[0], up * turn], [head[0], up * turn], head]
        codes = [Path.MOVETO, *[Path.CURVE4] * 3]
    colour, dashes = STYLES[arrow.kind]
    ax.add_patch(
        FancyArrowPatch(
            path=Path(points, codes),
            arrowstyle="-|>",
            mutation_scale=10,
            color=colour,
            linestyle=dashes,
            lw=1.3,
            zorder=2,
        )
    )


def _is_free(
    tail: np.ndarray, head: np.ndarray, others: list[tuple[np.ndarray, np.ndarray]]
) -> bool:
    """Whether a line meets no box."""
    points = tail + np.linspace(0, 1, 500)[:, None] * (head - tail)
    return not any((abs(points - centre) < half).all(1).any() for centre, half in others)


def _choose_side(
    start: np.ndarray, end: np.ndarray, others: list[tuple[np.ndarray, np.ndarray]], arrow: Arrow
) -> int:
    """Whether an arrow goes above (1) what is in its way or below (-1): where its ends are free."""
    first = np.sign(round(start[1] + end[1], 2)) or (-1 if arrow.kind == "old" else 1)

    def is_free(up: float) -> bool:
        return all(_is_free(at, at + np.array([0, 20 * up]), others) for at in (start, end))

    return int(first if is_free(first) or not is_free(-first) else -first)


def _draw_legend(ax: Axes) -> None:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    names = {"new": "within a step", "old": "from the step before", "plain": "plain parameter"}
    lines = [
        Line2D([], [], color=STYLES[kind][0], ls=STYLES[kind][1], lw=1.3, label=name)
        for kind, name in names.items()
    ]
    colours = {"hidden group": SKY, "exact gradient": GREEN, "approximate gradient": ORANGE}
    patches = [
        Patch(fc=(*_split_colour(colour), 0.22), ec=colour, label=name)
        for name, colour in colours.items()
    ]
    ax.legend(
        handles=[*lines, *patches],
        loc="lower center",
        ncols=6,
        frameon=False,
        fontsize=FONT - 0.5,
        columnspacing=1.4,
    )


def _split_colour(colour: str) -> tuple[float, ...]:
    return tuple(int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5))
