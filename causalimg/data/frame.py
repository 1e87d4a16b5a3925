"""Which part of a picture becomes the image, and how: in mm where both declare them, else by the shape of the sides.

Resizing is exact area averaging: pixel i of n takes each source pixel in proportion to what of it lies within the i-th of n equal
parts of what is shown. It is the mean of what the new pixel covers, so nothing is aliased, and the sum over the image, thus the
area of a mask before it is thresholded, stays what it was.
"""

from dataclasses import dataclass
from functools import lru_cache
from math import floor, log
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from causalimg.data.volumes import Picture
from causalimg.graph import Image

Fit = Literal["stretch", "pad", "crop"]
FITS = ("stretch", "pad", "crop")

UNSEEN = 0.02
"""By so much, as a share, the shape of an image's sides may change."""


@dataclass(frozen=True)
class Frame:
    """What is shown of a picture: from where to where along its `rows` and its `columns`, as shares of its sides.

    Below 0 and beyond 1 there is nothing: that is padded.
    """

    rows: tuple[float, float] = (0.0, 1.0)
    columns: tuple[float, float] = (0.0, 1.0)

    @classmethod
    def of(cls, picture: Picture, variable: Image, fit: Fit | None = None) -> "Frame":
        """What `variable` shows of `picture`.

        Where both say how large a pixel is: as many mm about the middle as are declared. Else all of it, if the sides are those
        declared to 2 %; if not, as `fit` says: "stretch" shows all, "pad" all with more around it, "crop" the middle.
        Raises ValueError where `fit` doesn't say it.
        """
        wanted = tuple(n * mm for n, mm in zip(variable.shape[1:], variable.spacing or (1, 1), strict=True))
        if picture.spacing and variable.spacing:
            return cls._middle(picture, wanted)
        scales = [side / want for side, want in zip(picture.sides, wanted, strict=True)]
        alike = abs(log(scales[0] / scales[1])) <= log(1 + UNSEEN)
        if alike or fit == "stretch" or (picture.spacing is None and picture.shape[:2] == variable.shape[1:]):
            return cls()
        if fit is None:
            raise ValueError(_unlike(picture, variable))
        scale = max(scales) if fit == "pad" else min(scales)
        return cls._middle(picture, tuple(scale * want for want in wanted))

    @classmethod
    def _middle(cls, picture: Picture, shown: tuple[float, ...]) -> "Frame":
        """So much `shown` about the middle; it begins at a whole pixel, so that what isn't resized isn't blurred."""
        parts = []
        for pixels, side, length in zip(picture.shape, picture.sides, shown, strict=False):
            start = floor(pixels * (1 - length / side) / 2 + 0.25) / pixels
            parts.append((start, start + length / side))
        return cls(*parts)

    @property
    def cuts(self) -> bool:
        """Whether some of the picture is not shown."""
        return any(start > 0 or stop < 1 for start, stop in (self.rows, self.columns))

    def within(self, old: tuple[int, ...], new: tuple[int, int]) -> NDArray[np.float64]:
        """From (column, row, 0, 1) of an image of `new` (height, width) to that of the picture of `old`: (4, 4)."""
        made = np.eye(4)
        for axis, (n, size, (start, stop)) in enumerate(zip(old, new, (self.rows, self.columns), strict=False)):
            made[1 - axis, 1 - axis] = step = n * (stop - start) / size
            made[1 - axis, 3] = n * start + step / 2 - 0.5
        return made

    def pixel(self, picture: Picture, size: tuple[int, int]) -> tuple[float, float] | None:
        """Of a pixel of the image, (row, column) in mm; None where that of the picture isn't known."""
        if picture.spacing is None:
            return None
        spans = (stop - start for start, stop in (self.rows, self.columns))
        high, wide = (side * span / n for side, span, n in zip(picture.sides, spans, size, strict=True))
        return high, wide


def _unlike(picture: Picture, variable: Image) -> str:
    sides, wanted = ("x".join(map(str, shape)) for shape in (picture.shape[:2], variable.shape[1:]))
    sizes = f" of {picture.spacing[0]:g}x{picture.spacing[1]:g} mm" if picture.spacing else ""
    return (
        f"{sides} pixels{sizes} have other proportions than the declared {wanted}: say fit='stretch', fit='pad' or "
        "fit='crop'"
    )


WHOLE = Frame()
"""All of a picture."""


def area_average(images: Tensor, size: tuple[int, int], frame: Frame = WHOLE) -> Tensor:
    """What `frame` shows of `images` (..., height, width), resized to `size` by area averaging; beyond the images is 0."""
    if tuple(images.shape[-2:]) == tuple(size) and frame == WHOLE:
        return images
    sides = zip(images.shape[-2:], size, (frame.rows, frame.columns), strict=True)
    rows, columns = (_overlaps(old, new, *part).to(images) for old, new, part in sides)
    return rows @ images @ columns.T


@lru_cache(maxsize=16)
def missing(old: tuple[int, ...], size: tuple[int, int], frame: Frame) -> Tensor:
    """The share of each new pixel that lies beyond the picture, (height, width), in doubles."""
    return (1 - area_average(torch.ones(old, dtype=torch.float64), size, frame)).clamp(min=0)


@lru_cache(maxsize=16)
def _overlaps(old: int, new: int, start: float, stop: float) -> Tensor:
    """How much of new pixel i is covered by old pixel j, shape (new, old), in doubles: its rows sum to 1 within the picture."""
    edges = torch.linspace(start * old, stop * old, new + 1, dtype=torch.float64)
    pixel = torch.arange(old, dtype=torch.float64)
    shared = torch.minimum(edges[1:, None], pixel + 1) - torch.maximum(edges[:-1, None], pixel)
    return shared.clamp(min=0) * (new / (old * (stop - start)))
