"""A grid of pictures with outlines: a row an item, a column a kind of picture, one legend and one scale for all.

Every place is worked out in inches from the size of the pictures, so that they keep their aspect and no space is wasted.
"""

from collections.abc import Mapping, Sequence
from itertools import cycle, pairwise
from typing import Any, NamedTuple

from torch import Tensor

from causalimg.viz.page import LINE, SMALL, Page, fold

PAD, CELL, GAP = 0.08, 1.7, 0.05  # inches: the margin, the height of a picture, the space between two
HEAD, FOOT = 0.17, 0.44  # inches: the headings above, the legend and the scale below
COLORS = ("#ffb000", "#00c2e0", "#7ad151", "#f0569f", "#b79bff")
DASHES: dict[str, Any] = {"factual": "solid", "counterfactual": (0, (2.2, 1.2))}


class Column(NamedTuple):
    """Pictures one above the other: `pixels` (rows, height, width), or (rows, height, width, 3) of red, green and blue.

    `shades` says how numbers become colours, in the words of matplotlib's `imshow`. `outlines` are masks by structure, of
    shape (rows, height, width), by what they outline: the "factual" or the "counterfactual" image.
    """

    heading: str
    pixels: Tensor
    shades: Mapping[str, Any]
    outlines: Mapping[str, Mapping[str, Tensor]]
    captions: Sequence[str] = ()


def draw_columns(columns: Sequence[Column], title: str, scale: str) -> Any:
    """The figure of `columns`; under the last, the scale of its colours, which means what `scale` says."""
    grid = _Grid(columns, title)
    outlined = dict.fromkeys(name for column in columns for masks in column.outlines.values() for name in masks)
    colors = dict(zip(outlined, cycle(COLORS), strict=False))
    for number, column in enumerate(columns):
        for row in range(grid.rows):
            axes = grid.place(row, number)
            picture = axes.imshow(column.pixels[row].float().cpu().numpy(), interpolation="nearest", **column.shades)
            for kind, masks in column.outlines.items():
                for name, mask in masks.items():
                    _outline(axes, mask[row], colors[name], DASHES[kind])
    grid.add_scale(picture, scale)
    if colors:
        grid.add_legend(colors)
    return grid.page.figure


class _Grid:
    """Where things are on the page."""

    def __init__(self, columns: Sequence[Column], title: str) -> None:
        self.rows, height, width = columns[0].pixels.shape[:3]
        self.width = CELL * width / height
        starts = [number for number, column in enumerate(columns) if column.captions] + [len(columns)]
        captions = {
            number: [fold(text, (end - number) * (self.width + GAP)) for text in columns[number].captions]
            for number, end in pairwise(starts)
        }
        self.text = LINE * max((len(lines) for one in captions.values() for lines in one), default=0)
        self.top = PAD + HEAD + (1.6 * LINE if title else 0)
        self.page = Page(2 * PAD + len(columns) * (self.width + GAP) - GAP, self._above(self.rows) + FOOT)
        self.page.write(PAD, PAD + 1.2 * LINE, title, fontsize=SMALL + 2, fontweight="bold")
        for number, column in enumerate(columns):
            self.page.write(self._left(number), self.top - 0.03, column.heading, fontsize=SMALL + 1)
            for row, lines in enumerate(captions.get(number, ())):
                self.page.write(self._left(number), self._above(row) + self.text - 0.01, "\n".join(lines))

    def _left(self, number: int) -> float:
        return PAD + number * (self.width + GAP)

    def _above(self, row: int) -> float:
        return self.top + row * (self.text + CELL + GAP)

    def place(self, row: int, number: int) -> Any:
        axes = self.page.place(self._left(number), self._above(row) + self.text, self.width, CELL)
        axes.set_axis_off()
        return axes

    def add_scale(self, picture: Any, label: str) -> None:
        left = self.page.width - PAD - self.width
        axes = self.page.place(left, self.page.height - FOOT + GAP, self.width, 0.07)
        bar = self.page.figure.colorbar(picture, cax=axes, orientation="horizontal", extend="both")
        bar.set_label(label, fontsize=SMALL, labelpad=1)
        bar.ax.tick_params(labelsize=SMALL, length=2, pad=1)
        bar.outline.set_linewidth(0.4)

    def add_legend(self, colors: Mapping[str, str]) -> None:
        from matplotlib.lines import Line2D  # loads when first needed

        handles = [Line2D([], [], color=color, label=name) for name, color in colors.items()]
        handles += [Line2D([], [], color="0.3", linestyle=dashes, label=kind) for kind, dashes in DASHES.items()]
        corner = (PAD / self.page.width, (FOOT - GAP) / self.page.height)
        look = {"fontsize": SMALL, "frameon": False, "borderaxespad": 0, "borderpad": 0.1, "handlelength": 2.2}
        columns = len(handles) if len(handles) <= 3 else -(-len(handles) // 2)
        self.page.figure.legend(handles=handles, loc="upper left", bbox_to_anchor=corner, ncols=columns, **look)


def _outline(axes: Any, mask: Tensor, color: str, dashes: Any) -> None:
    mask = mask.float().cpu()
    if mask.min() < 0.5 <= mask.max():  # matplotlib warns where there is nothing to outline
        axes.contour(mask.numpy(), levels=[0.5], colors=[color], linewidths=1.0, linestyles=[dashes])
