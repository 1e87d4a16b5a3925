"""A picture of a causal graph: causes above their effects, measurements as dashed arrows out of the image."""

from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from causalimg.graph import Graph, as_graph
from causalimg.viz.graph_layout import HEIGHT, Arrow, Layout, Point, layout

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

NUMBER, PICTURE, CAUSE, MEASUREMENT = "#dbe7f3", "#f5e6c8", "#3b4754", "#c0561f"
UNKNOWN = "unobserved"
TITLE_SIZE, NAME_SIZE, CAPTION_SIZE, MARGIN = 12.0, 10.0, 7.5, 0.35


def draw_graph(graph: Graph | type[Graph], path: str | Path | None = None) -> "Figure":
    """Draw `graph`: causes as arrows, measurements as dashed ones. Returns the figure; writes it to `path` if given."""
    from matplotlib.figure import Figure  # loads when first needed

    graph = as_graph(graph)
    captions = dict.fromkeys(graph.unobserved, UNKNOWN) | {name: graph[name].caption for name in graph}
    widths = {name: _box_width(name, caption) for name, caption in captions.items()}
    plan = layout(widths, _arrows(graph))
    figure = Figure(dpi=150)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_axis_off()
    for name, centre in plan.boxes.items():
        unknown = name in graph.unobserved
        _box(
            axes,
            centre,
            widths[name],
            "none" if unknown else PICTURE if name in graph.images else NUMBER,
            dashed=unknown,
        )
        _label(axes, centre, name, captions[name])
    for arrow, way in plan.ways.items():
        _arrow(axes, way, arrow.dashed)
    _frame(figure, axes, plan, widths, graph.title)
    if path is not None:
        figure.savefig(path)
    return figure


def _arrows(graph: Graph) -> list[Arrow]:
    causes = [Arrow(parent, name) for name in graph for parent in graph.parents(name)]
    causes += [Arrow(cause, name) for cause, effects in graph.unobserved.items() for name in effects]
    return causes + [Arrow(graph.image_of(name), name, dashed=True) for name in graph.measured]


def _box_width(name: str, caption: str) -> float:
    """In inches."""
    return max(0.8, _width(name, NAME_SIZE) + 0.25, _width(caption, CAPTION_SIZE) + 0.25)


def _width(text: str, size: float) -> float:
    """In inches."""
    from matplotlib.textpath import TextPath

    return TextPath((0, 0), text, size=size).get_extents().width / 72 if text else 0.0


def _box(axes: "Axes", centre: Point, width: float, color: str, dashed: bool) -> None:
    from matplotlib.patches import FancyBboxPatch

    corner = (centre[0] - width / 2, centre[1] - HEIGHT / 2)
    round_ = "round,pad=0,rounding_size=0.12"
    box = FancyBboxPatch(corner, width, HEIGHT, boxstyle=round_, facecolor=color, edgecolor=CAUSE, lw=0.8)
    box.set_linestyle("dashed" if dashed else "solid")
    axes.add_patch(box)


def _label(axes: "Axes", centre: Point, name: str, caption: str) -> None:
    x, y = centre
    axes.text(x, y + (0.08 if caption else 0), name, size=NAME_SIZE, ha="center", va="center")
    axes.text(x, y - 0.12, caption, size=CAPTION_SIZE, ha="center", va="center", color="#5b6672")


def _arrow(axes: "Axes", way: list[Point], dashed: bool) -> None:
    """A curve through the points of `way` that is upright in each of them."""
    from matplotlib.patches import FancyArrowPatch
    from matplotlib.path import Path

    points, codes = [way[0]], [Path.MOVETO]
    for (x0, y0), (x1, y1) in pairwise(way):
        middle = (y0 + y1) / 2
        points += [(x0, middle), (x1, middle), (x1, y1)]
        codes += [Path.CURVE4] * 3
    color, line = (MEASUREMENT, (0, (4, 2.5))) if dashed else (CAUSE, "solid")
    head = "-|>,head_length=5,head_width=2.5"
    patch = FancyArrowPatch(path=Path(points, codes), arrowstyle=head, color=color, linestyle=line, linewidth=1.1)
    axes.add_patch(patch)


def _frame(figure: "Figure", axes: "Axes", plan: Layout, widths: dict[str, float], title: str) -> None:
    """Title above, what the arrows mean below, and paper of the size that this needs."""
    from matplotlib.lines import Line2D

    xs = [x + side * widths[name] / 2 for name, (x, _) in plan.boxes.items() for side in (-1, 1)]
    xs = xs + [x for way in plan.ways.values() for x, _ in way] or [0.0]
    middle, half = (min(xs) + max(xs)) / 2, max(max(xs) - min(xs), _width(title, TITLE_SIZE), 2.3) / 2 + MARGIN
    top = max((y for _, y in plan.boxes.values()), default=0.0) + HEIGHT / 2 + MARGIN
    bottom = -HEIGHT / 2 - MARGIN
    axes.text(middle, top, title, size=TITLE_SIZE, ha="center", va="center")
    if any(arrow.dashed for arrow in plan.ways):
        causes = Line2D([], [], color=CAUSE, label="causes")
        measured = Line2D([], [], color=MEASUREMENT, linestyle="--", label="is measured as")
        figure.legend(handles=[causes, measured], loc="lower center", ncols=2, frameon=False, fontsize=CAPTION_SIZE)
        bottom -= 0.1
    axes.set(xlim=(middle - half, middle + half), ylim=(bottom, top + 0.2))
    figure.set_size_inches(2 * half, top + 0.2 - bottom)
