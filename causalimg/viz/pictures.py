"""Pictures of counterfactuals: the factual image, then every answer beside how it differs from the factual.

Greys are fixed by the image's bounds and changes by one symmetric scale, so that pictures compare within a figure and
between figures. A structure keeps its colour; its factual outline is solid, its counterfactual one dashed.

A figure is a grid: a row an item, a column a kind of picture, one legend and one scale for all. Every place is worked out in
inches from the size of the pictures, so that they keep their aspect and no space is wasted.
"""

from collections.abc import Mapping, Sequence
from itertools import cycle, pairwise
from pathlib import Path
from typing import Any, NamedTuple

from torch import Tensor
from torch.nn.functional import pad

from causalimg.viz.canvas import LINE, SMALL, Canvas, fold, save

ROWS = 8
LIMIT = 100.0  # grey levels of 255 at which the colours of a change saturate
GREY = {"cmap": "gray", "vmin": 0, "vmax": 1}
CHANGE = {"cmap": "RdBu_r", "vmin": -LIMIT, "vmax": LIMIT}

PAD, CELL, GAP = 0.08, 1.7, 0.05  # inches: the margin, the height of a picture, the space between two
HEAD, FOOT = 0.17, 0.44  # inches: the headings above, the legend and the scale below
COLORS = ("#ffb000", "#00c2e0", "#7ad151", "#f0569f", "#b79bff")
DASHES: dict[str, Any] = {"factual": "solid", "counterfactual": (0, (2.2, 1.2))}


class Pictures(NamedTuple):
    """Images (n, 1 or 3, height, width), outlines by structure (n, height, width) in [0, 1] or bool, captions (n,).

    `spread`: how unsure each pixel is, of the shape of the images, where that is known.
    """

    images: Tensor
    outlines: Mapping[str, Tensor] = {}
    captions: Sequence[str] = ()
    spread: Tensor | None = None

    def first(self, n: int) -> "Pictures":
        """The first `n` items."""
        outlines = {name: mask[:n] for name, mask in self.outlines.items()}
        return Pictures(self.images[:n], outlines, self.captions[:n], None if self.spread is None else self.spread[:n])


class _Column(NamedTuple):
    """Pictures one above the other: `pixels` (rows, height, width), or (rows, height, width, 3) of red, green and blue.

    `shades` says how numbers become colours, in the words of matplotlib's `imshow`. `outlines` are masks by structure, of
    shape (rows, height, width), by what they outline: the "factual" or the "counterfactual" image.
    """

    heading: str
    pixels: Tensor
    shades: Mapping[str, Any]
    outlines: Mapping[str, Mapping[str, Tensor]]
    captions: Sequence[str] = ()


def draw_grid(
    factual: Pictures,
    answers: Mapping[str, Pictures],
    *,
    bounds: tuple[float, float] = (0.0, 1.0),
    title: str = "",
    path: str | Path | None = None,
    rows: int = ROWS,
    differences: bool = True,
) -> Any:
    """The first `rows` items, a row each: the factual image, then every answer, its difference, and its spread.

    Answers may be methods, targets, or both; without `differences` they stand side by side. `bounds` are the image's: black and
    white. Returns the matplotlib figure, and writes it to `path` if given. Raises ValueError where the shapes or the numbers of
    captions disagree.
    """
    for heading, pictures in {"factual": factual, **answers}.items():
        _check(heading, pictures, tuple(factual.images.shape))
    factual, answers = factual.first(rows), {heading: answer.first(rows) for heading, answer in answers.items()}
    unit, outlines = 255 / (bounds[1] - bounds[0]), {"factual": factual.outlines}
    columns = [_images("factual", factual, outlines, bounds)]
    for heading, answer in answers.items():
        both = outlines | {"counterfactual": answer.outlines}
        columns.append(_images(heading, answer, both, bounds))
        if differences:
            columns.append(_Column("difference", unit * _largest(answer.images - factual.images), CHANGE, both))
        if differences and answer.spread is not None:
            columns.append(_Column("spread", unit * _largest(answer.spread), CHANGE, both))
    figure = _draw_columns(columns, title, scale="grey levels of 255" if differences else "")
    save(figure, path)
    return figure


def _images(
    heading: str, pictures: Pictures, outlines: Mapping[str, Mapping[str, Tensor]], bounds: tuple[float, float]
) -> _Column:
    pixels = ((pictures.images - bounds[0]) / (bounds[1] - bounds[0])).clamp(0, 1)
    pixels = pixels.movedim(1, -1) if pixels.shape[1] == 3 else pixels[:, 0]
    return _Column(heading, pixels, GREY, outlines, pictures.captions)


def _largest(change: Tensor) -> Tensor:
    """Of every pixel's channels the one that changed most: a mean would hide a change of hue."""
    return change.gather(1, change.abs().argmax(1, keepdim=True))[:, 0]


def _check(heading: str, pictures: Pictures, shape: tuple[int, ...]) -> None:
    expected = shape if len(shape) == 4 and shape[0] and shape[1] in (1, 3) else "(n, 1 or 3, height, width)"
    if pictures.images.shape != expected:
        raise ValueError(f"{heading}: expected images of shape {expected}, got {tuple(pictures.images.shape)}")
    flat = (shape[0], *shape[2:])
    for name, mask in pictures.outlines.items():
        if mask.shape != flat:
            raise ValueError(f"{heading}: expected {name!r} outlines of shape {flat}, got {tuple(mask.shape)}")
    if pictures.spread is not None and pictures.spread.shape != expected:
        raise ValueError(f"{heading}: expected a spread of shape {expected}, got {tuple(pictures.spread.shape)}")
    if len(pictures.captions) not in (0, shape[0]):
        raise ValueError(f"{heading}: expected {shape[0]} captions, got {len(pictures.captions)}")


def _draw_columns(columns: Sequence[_Column], title: str, scale: str) -> Any:
    """The figure of `columns`; under the last, the scale of its colours, which means what `scale` says, if anything."""
    grid = _Grid(columns, title)
    outlined = dict.fromkeys(name for column in columns for masks in column.outlines.values() for name in masks)
    colors = dict(zip(outlined, cycle(COLORS), strict=False))
    for number, column in enumerate(columns):
        for row in range(grid.rows):
            axes = grid.place(row, number)
            picture = axes.imshow(column.pixels[row].float().cpu().numpy(), interpolation="nearest", **column.shades)
            for kind, masks in column.outlines.items():
                for name, mask in reversed(list(masks.items())):  # where two share a border, the first's is seen
                    _outline(axes, mask[row], colors[name], DASHES[kind])
    if scale:
        grid.add_scale(picture, scale)
    if colors:
        grid.add_legend(colors)
    return grid.canvas.figure


class _Grid:
    """Where things are on the canvas."""

    def __init__(self, columns: Sequence[_Column], title: str) -> None:
        self.rows, height, width = columns[0].pixels.shape[:3]
        self.width = CELL * width / height
        starts = [number for number, column in enumerate(columns) if column.captions] + [len(columns)]
        captions = {
            number: [fold(text, (end - number) * (self.width + GAP)) for text in columns[number].captions]
            for number, end in pairwise(starts)
        }
        self.text = LINE * max((len(lines) for one in captions.values() for lines in one), default=0)
        self.top = PAD + HEAD + (1.6 * LINE if title else 0)
        self.canvas = Canvas(2 * PAD + len(columns) * (self.width + GAP) - GAP, self._above(self.rows) + FOOT)
        self.canvas.write(PAD, PAD + 1.2 * LINE, title, fontsize=SMALL + 2, fontweight="bold")
        for number, column in enumerate(columns):
            self.canvas.write(self._left(number), self.top - 0.03, column.heading, fontsize=SMALL + 1)
            for row, lines in enumerate(captions.get(number, ())):
                self.canvas.write(self._left(number), self._above(row) + self.text - 0.01, "\n".join(lines))

    def _left(self, number: int) -> float:
        return PAD + number * (self.width + GAP)

    def _above(self, row: int) -> float:
        return self.top + row * (self.text + CELL + GAP)

    def place(self, row: int, number: int) -> Any:
        axes = self.canvas.place(self._left(number), self._above(row) + self.text, self.width, CELL)
        axes.set_axis_off()
        return axes

    def add_scale(self, picture: Any, label: str) -> None:
        left = self.canvas.width - PAD - self.width
        axes = self.canvas.place(left, self.canvas.height - FOOT + GAP, self.width, 0.07)
        bar = self.canvas.figure.colorbar(picture, cax=axes, orientation="horizontal", extend="both")
        bar.set_label(label, fontsize=SMALL, labelpad=1)
        bar.ax.tick_params(labelsize=SMALL, length=2, pad=1)
        bar.outline.set_linewidth(0.4)

    def add_legend(self, colors: Mapping[str, str]) -> None:
        from matplotlib.lines import Line2D  # loads when first needed

        handles = [Line2D([], [], color=color, label=name) for name, color in colors.items()]
        handles += [Line2D([], [], color="0.3", linestyle=dashes, label=kind) for kind, dashes in DASHES.items()]
        corner = (PAD / self.canvas.width, (FOOT - GAP) / self.canvas.height)
        look = {"fontsize": SMALL, "frameon": False, "borderaxespad": 0, "borderpad": 0.1, "handlelength": 2.2}
        columns = len(handles) if len(handles) <= 3 else -(-len(handles) // 2)
        self.canvas.figure.legend(handles=handles, loc="upper left", bbox_to_anchor=corner, ncols=columns, **look)


def border(mask: Tensor) -> Sequence[Any]:
    """The borders of a mask (height, width), bool or in [0, 1]: closed lines of x and y (points, 2), in pixels.

    A structure that the image's edge cuts is closed along the edge. The borders are those that matplotlib draws as a contour,
    whose bookkeeping takes ten times as long.
    """
    from contourpy import contour_generator  # loads when first needed

    framed = pad(mask.float(), (1, 1, 1, 1)).cpu().numpy()
    lines: Any = contour_generator(z=framed).lines(0.5)
    return [line - 1 for line in lines]


def _outline(axes: Any, mask: Tensor, color: str, dashes: Any) -> None:
    from matplotlib.collections import LineCollection  # loads when first needed

    if lines := border(mask):
        axes.add_collection(LineCollection(lines, colors=[color], linewidths=1.0, linestyles=[dashes]), autolim=False)
