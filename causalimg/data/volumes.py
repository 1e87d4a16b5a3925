"""What a file holds: a picture, or a volume of which each slice is one; with the size of the pixels, where the file says it.

A volume is turned to the patient before anything else: its axes lead to the patient's right, front and head (RAS), as near as
they can be had by swapping and mirroring axes. Slices are then shown as radiologists look at them:

    axial      rows from front to back, columns from right to left (the patient's right is on the left of the picture)
    coronal    rows from head to foot, columns from right to left
    sagittal   rows from head to foot, columns from front to back
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from causalimg.data.arrays import Pixels
from causalimg.data.limits import Limits
from causalimg.errors import imported

INSTALL = '"causalimg[medical]"'

Axis = Literal["axial", "coronal", "sagittal"]

ACROSS: dict[Axis, int] = {"sagittal": 0, "coronal": 1, "axial": 2}
"""The axis of a volume (right, front, head) along which slices follow each other."""


@dataclass(frozen=True)
class Picture:
    """Grey `pixels` (height, width), or colour (height, width, channels), as a file has them.

    `spacing`: of a pixel, (row, column) in mm; None where it isn't known. `most`: the greatest integer that could be; None: that
    of the pixels' type. `fields`: what was asked for of a DICOM file's header. `slice`: where in a volume it was.
    """

    pixels: Pixels
    spacing: tuple[float, float] | None = None
    most: int | None = None
    fields: Mapping[str, str] = field(default_factory=dict)
    slice: int | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        """(height, width), or (height, width, channels)."""
        return self.pixels.shape

    @property
    def sides(self) -> tuple[float, float]:
        """Height and width: in mm, or in pixels where their size isn't known."""
        high, wide = self.spacing or (1.0, 1.0)
        return self.shape[0] * high, self.shape[1] * wide


class At(NamedTuple):
    """A slice of a volume: along which `axis`, and its number from the patient's left, back or foot."""

    axis: Axis
    slice: int


@dataclass(frozen=True)
class Volume:
    """Grey `voxels` (x, y, z) towards the patient's right, front and head, and their `affine` (4, 4) to mm. `most`, `fields`: see
    `Picture`."""

    voxels: Pixels
    affine: NDArray[np.float64]
    most: int | None = None
    fields: Mapping[str, str] = field(default_factory=dict)

    @property
    def shape(self) -> tuple[int, ...]:
        """(right, front, head)."""
        return self.voxels.shape

    def count(self, axis: Axis) -> int:
        """How many slices follow each other along `axis`."""
        return int(self.shape[ACROSS[axis]])

    @property
    def only(self) -> At:
        """The slice of a volume that has one. Raises ValueError, with what to say, where it has several."""
        axes: list[Axis] = [axis for axis in ("axial", "coronal", "sagittal") if self.count(axis) == 1]
        if not axes:
            size = " x ".join(map(str, self.shape))
            raise ValueError(f"it holds {size} voxels: slices=ci.Slices(axis='axial', every=1) says which are meant")
        return At(axes[0], 0)

    def picture(self, at: At) -> Picture:
        """A slice as it is shown."""
        across = ACROSS[at.axis]
        pixels = np.flip(self.voxels.take(at.slice, axis=across)).T
        column, row = (size for i, size in enumerate(self.sizes) if i != across)
        return Picture(pixels, (row, column), self.most, self.fields, at.slice)

    @property
    def sizes(self) -> tuple[float, ...]:
        """Of a voxel along each axis, in mm."""
        return tuple(float(size) for size in np.linalg.norm(self.affine[:3, :3], axis=0))

    def placed(self, at: At) -> NDArray[np.float64]:
        """From a slice's (column, row, 0, 1), as it is shown, to mm: (4, 4)."""
        across = ACROSS[at.axis]
        shown = np.zeros((4, 4))
        for mine, axis in enumerate(i for i in range(3) if i != across):
            shown[axis, mine], shown[axis, 3] = -1, self.shape[axis] - 1
        shown[across, 2], shown[across, 3], shown[3, 3] = 1, at.slice, 1
        return np.asarray(self.affine @ shown, dtype=np.float64)

    def check_same_grid(self, labels: "Volume") -> None:
        """Raise ValueError where the voxels of `labels` are not where those of the volume are."""
        if labels.shape != self.shape:
            sizes = (" x ".join(map(str, one.shape)) for one in (labels, self))
            raise ValueError("the mask has {} voxels, the image {}".format(*sizes))
        if not np.allclose(labels.affine, self.affine, atol=0.1 * min(self.sizes)):
            raise ValueError("the voxels of the mask lie elsewhere than those of the image: resample it to the image's")


def turned(voxels: Pixels, affine: NDArray[np.float64], **known: Any) -> Volume:
    """`voxels` with this `affine` to mm towards right, front and head, turned to the patient.

    Raises ValueError for an `affine` that says no directions.
    """
    nibabel = imported("nibabel", INSTALL)
    ways = nibabel.io_orientation(affine) if np.isfinite(affine).all() else np.full((3, 2), np.nan)
    if np.isnan(ways).any():
        raise ValueError("its header doesn't say how its voxels lie")
    turn = nibabel.orientations.inv_ornt_aff(ways, voxels.shape)
    return Volume(nibabel.apply_orientation(voxels, ways), np.asarray(affine @ turn, dtype=np.float64), **known)


def check_voxels(shape: tuple[int, ...], itemsize: int, limits: Limits) -> None:
    """Raise ValueError where a volume of this `shape` is beyond the limits."""
    *_, second, first = sorted(shape)
    limits.check_size(first, second)
    limits.check("bytes", int(np.prod(shape, dtype=object)) * itemsize)
