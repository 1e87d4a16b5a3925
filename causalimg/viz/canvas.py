"""A figure laid out in inches from its top left corner, so that nothing on it moves when its content does.

Never through pyplot: its global state keeps figures alive, and asks for a window system where there is none.
"""

from pathlib import Path
from textwrap import wrap
from typing import Any

from numpy import asarray

SMALL = 7.0  # points: the small font
LINE = 0.13  # inches: the height of its line
DPI = 200  # of files
LETTER = 0.061  # inches: the mean width of its letters, of a line of wide ones


class Canvas:
    """A matplotlib figure of `width` by `height` inches. `place` and `write` count from its top left corner."""

    def __init__(self, width: float, height: float) -> None:
        from matplotlib.figure import Figure  # loads when first needed

        self.width, self.height = width, height
        self.figure = Figure(figsize=(width, height), facecolor="white")

    def place(self, left: float, top: float, width: float, height: float) -> Any:
        """Axes of that size, at that place."""
        bottom = self.height - top - height
        box = (left / self.width, bottom / self.height, width / self.width, height / self.height)
        return self.figure.add_axes(box)

    def write(self, left: float, top: float, text: str, **style: Any) -> None:
        """Text whose bottom left corner is there."""
        style.setdefault("fontsize", SMALL)
        self.figure.text(
            left / self.width, 1 - top / self.height, text, verticalalignment="bottom", linespacing=1.1, **style
        )


def fold(text: str, width: float) -> list[str]:
    """The lines of `text` in the small font that fit `width` inches."""
    return [part for line in text.splitlines() for part in wrap(line, max(8, int(width / LETTER)))]


def save(figure: Any, path: str | Path | None) -> None:
    """Write `figure` where `path` says, if it says, in a folder that is made if need be; the suffix says how (png, pdf, svg)."""
    if path is not None:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, dpi=DPI)


def as_pixels(figure: Any, dpi: int = 120) -> Any:
    """`figure` as an array of red, green and blue, (height, width, 3), uint8."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # loads when first needed

    figure.set_dpi(dpi)
    canvas: Any = FigureCanvasAgg(figure)
    canvas.draw()
    return asarray(canvas.buffer_rgba())[:, :, :3].copy()
