"""Curves: how training went, and whether what was asked for is what came out."""

from collections.abc import Mapping, Sequence
from itertools import cycle
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from causalimg.viz.canvas import SMALL, save

COLORS = ("#9aa0a6", "#d1495b", "#2e6f95", "#66a182")


def draw_history(rows: Sequence[Mapping[str, float]], *, title: str = "", path: str | Path | None = None) -> Any:
    """Every metric in the `rows` of a training history against their ``step``, each on its own axes.

    A metric that was measured now and then is drawn where it was measured. Returns the matplotlib figure, and writes it to
    `path` if given. Raises ValueError where there is nothing to draw.
    """
    names = list(dict.fromkeys(name for row in rows for name in row if name not in ("step", "seconds")))
    if not names:
        raise ValueError("nothing to draw: the history holds no metric")
    columns = min(len(names), 3)
    figure, panels = _panels(-(-len(names) // columns), columns, size=(2.5, 1.6))
    figure.suptitle(title, fontsize=SMALL + 2, fontweight="bold")
    figure.supxlabel("step", fontsize=SMALL)
    for axes, name in zip(panels, names, strict=False):
        points = [(row["step"], row[name]) for row in rows if name in row]
        axes.plot(*zip(*points, strict=True), color=COLORS[2], linewidth=1, marker="." if len(points) < 30 else "")
        axes.set_title(name, fontsize=SMALL + 1, loc="left")
    for axes in panels[len(names) :]:
        axes.remove()
    save(figure, path)
    return figure


def draw_columns(
    numbers: Mapping[str, Tensor],
    levels: Mapping[str, Mapping[str, int]],
    *,
    units: Mapping[str, str],
    path: str | Path | None = None,
) -> Any:
    """A histogram of each of `numbers` (n,), and bars of the counts of `levels`, by variable.

    Returns the matplotlib figure, and writes it to `path` if given. Raises ValueError where there is nothing to draw.
    """
    if not (names := [*numbers, *levels]):
        raise ValueError("nothing to draw: no column of numbers or levels")
    columns = min(len(names), 3)
    figure, panels = _panels(-(-len(names) // columns), columns, size=(2.5, 1.6))
    for axes, name in zip(panels, names, strict=False):
        if name in numbers:
            axes.hist(numbers[name][numbers[name].isfinite()].cpu().numpy(), bins=20, color=COLORS[2])
        else:
            axes.bar(list(levels[name]), list(levels[name].values()), color=COLORS[2])
        axes.set_title(f"{name} [{units[name]}]" if name in units else name, fontsize=SMALL + 1, loc="left")
    for axes in panels[len(names) :]:
        axes.remove()
    save(figure, path)
    return figure


class Curve(NamedTuple):
    """A line with a band about it: at every `target` the `middle`, and from `low` to `high`, each of shape (points,)."""

    target: Tensor
    middle: Tensor
    low: Tensor
    high: Tensor


def draw_dose_response(
    target: Tensor,
    measured: Mapping[str, Tensor],
    curves: Mapping[str, Curve] | None = None,
    *,
    label: str,
    path: str | Path | None = None,
) -> Any:
    """What was measured on the counterfactuals against the `target` (n,) asked for; the grey line is where both agree.

    `measured` holds readings (n,) by what they are of, such as "before" and "after" fine-tuning; `curves`, lines with bands.
    `label` is the variable with its unit. Returns the matplotlib figure, and writes it to `path` if given.
    """
    figure, (axes,) = _panels(1, 1, size=(3.2, 3.2))
    curves = curves or {}
    colors = dict(zip([*measured, *curves], cycle(COLORS), strict=False))
    lines = [line for curve in curves.values() for line in curve]
    every = torch.cat([values.cpu() for values in (target, *measured.values(), *lines)])
    ends = (every.min().item(), every.max().item())
    axes.plot(ends, ends, color="0.6", linewidth=0.8, zorder=0)
    for name, readings in measured.items():
        axes.scatter(target.cpu(), readings.cpu(), s=9, color=colors[name], alpha=0.7, linewidths=0, label=name)
    for name, curve in curves.items():
        at, middle, low, high = (line.cpu() for line in curve)
        axes.fill_between(at, low, high, color=colors[name], alpha=0.18, linewidth=0)
        axes.plot(at, middle, color=colors[name], linewidth=1.4, marker="o", markersize=2.5, label=name)
    axes.set_aspect("equal")
    axes.set_xlabel(f"target: {label}", fontsize=SMALL + 1)
    axes.set_ylabel("measured on the counterfactual", fontsize=SMALL + 1)
    axes.legend(fontsize=SMALL, frameon=False, handletextpad=0.2, borderaxespad=0.2)
    save(figure, path)
    return figure


def _panels(rows: int, columns: int, *, size: tuple[float, float]) -> tuple[Any, list[Any]]:
    from matplotlib.figure import Figure  # loads when first needed

    figure = Figure(figsize=(size[0] * columns, size[1] * rows), layout="constrained", facecolor="white")
    panels = list(figure.subplots(rows, columns, squeeze=False).flat)
    for axes in panels:
        axes.tick_params(labelsize=SMALL, length=2)
        axes.spines[["top", "right"]].set_visible(False)
    return figure, panels
