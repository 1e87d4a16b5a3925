"""The image of a row, and its masks: of a picture, or of each slice of a volume."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import isclose, sqrt
from pathlib import Path

from torch import Tensor

from causalimg.data.arrays import Pixels
from causalimg.data.dicom import check_fields
from causalimg.data.frame import FITS, Fit, Frame
from causalimg.data.images import image_of, lost, masks_of, open_picture
from causalimg.data.preprocessing import AS_THEY_ARE, Preprocessing
from causalimg.data.slices import Slices
from causalimg.data.volumes import At, Picture, Volume
from causalimg.errors import check_kind, check_kinds, check_known
from causalimg.graph import Image

SQUARE = 0.02
"""By so much, as a share, the sides of a pixel may differ whose size is said by one number."""


@dataclass(frozen=True)
class Scan:
    """An `image` (channels, height, width) with its `masks` (structures, height, width): what there is of the row `row`.

    `pixel`: of its pixels, (row, column) in mm, where that is known. `slice`: its number in a volume. `lost`: the share of each
    structure that lies beyond the image. `fields`: of a DICOM header, as text.
    """

    row: int
    image: Tensor
    masks: Tensor | None = None
    pixel: tuple[float, float] | None = None
    slice: int | None = None
    lost: Sequence[float] = ()
    fields: Mapping[str, str] = field(default_factory=dict)

    @property
    def pixel_mm(self) -> float:
        """The side of a pixel in mm. Raises ValueError where it isn't known, or no pixel is square."""
        if self.pixel is None:
            raise ValueError("the size of its pixels isn't known: spacing='...' names a column that has it, in mm")
        high, wide = self.pixel
        if not isclose(high, wide, rel_tol=SQUARE):
            raise ValueError(f"its pixels are {high:.3g} x {wide:.3g} mm, which no one number says: say fit='pad'")
        return sqrt(high * wide)


@dataclass(frozen=True)
class Scanning:
    """How what is in files becomes a `variable`, and outlines of `structures`: see `read_table`."""

    variable: Image
    how: Preprocessing = AS_THEY_ARE
    structures: Sequence[str] = ()

    def pictures(
        self, image: Picture | Volume, labels: Picture | Volume | None = None
    ) -> Iterator[tuple[Picture, Picture | None]]:
        """One picture, or one for each slice of a volume that is meant, with its labels.

        Raises ValueError where nothing says which slices, and for labels that don't lie on the image's grid.
        """
        if isinstance(image, Picture):
            if isinstance(labels, Volume):
                raise ValueError("the mask is a volume, the image a picture: save the mask as PNG")
            yield image, labels
            return
        if isinstance(labels, Picture):
            raise ValueError("the image says how it lies, the mask doesn't: save the mask as NIfTI")
        if labels is not None:
            image.check_same_grid(labels)
        for at in self.chosen(image, labels):
            yield image.picture(at), None if labels is None else labels.picture(at)

    def chosen(self, volume: Volume, labels: Volume | None = None) -> list[At]:
        """The slices that are meant. Raises ValueError where nothing says which."""
        return [volume.only] if self.how.slices is None else self.how.slices.of(volume, labels, self.structures)

    def one(self, volume: Volume, name: str) -> At:
        """The one slice that is meant of a volume without masks, called `name`. Raises ValueError where that isn't said."""
        slices = self.how.slices
        says = f"slices=ci.Slices(axis={(slices or Slices()).axis!r}, at=...) (or --slices at=...) says which"
        if slices is None and 1 not in volume.shape:
            size = " x ".join(map(str, volume.shape))
            raise ValueError(f"{name} holds {size} voxels: {says} slice is meant")
        if slices is not None and slices.structure:
            if (n := volume.count(slices.axis)) > 1:
                raise ValueError(f"{slices!r} needs masks, and {name} has none: {says} of its {n} slices")
            return At(slices.axis, 0)
        chosen = self.chosen(volume)
        if len(chosen) > 1:
            raise ValueError(f"{len(chosen)} slices of {name}: {says}")
        return chosen[0]

    def image(self, picture: Picture) -> tuple[Tensor, Frame]:
        """The image (channels, height, width), and what it shows. Raises ValueError for what can't be one."""
        image = image_of(picture, self.variable, self.how.normalise, self.how.fit)
        return image, Frame.of(picture, self.variable, self.how.fit)

    def masks(self, labels: Pixels, frame: Frame) -> tuple[Tensor, list[float]]:
        """The masks of what `frame` shows, (structures, height, width), and the share of each that it doesn't show."""
        size = self.variable.shape[1:]
        made = masks_of(labels, self.structures, size, frame)
        return made, lost(labels, len(self.structures), size, frame) if frame.cuts else []


def check_ways(slices: Slices | None, fit: Fit | None, fields: Sequence[str] = ()) -> None:
    """Raise TypeError or ValueError for arguments of `read_table` that can't be right."""
    check_kind("slices", slices, Slices, type(None))
    check_known("fit", [fit] if fit is not None else [], FITS)
    check_kinds("fields", fields, str)
    if fields:
        check_fields(fields)


def spaced(picture: Picture, spacing: float | None) -> Picture:
    """`picture` with pixels of so many mm. Raises ValueError where its header says otherwise."""
    if spacing is None:
        return picture
    said = picture.spacing or (spacing, spacing)
    if not all(isclose(one, spacing, rel_tol=0.01) for one in said):
        raise ValueError(f"its header says pixels of {said[0]:g} x {said[1]:g} mm, the table says {spacing:g}")
    return replace(picture, spacing=said)


def read_image(path: Path, variable: Image, how: Preprocessing = AS_THEY_ARE, spacing: float | None = None) -> Tensor:
    """The image in one file, (channels, height, width), as `read_table` reads it; `spacing`: of its pixels, in mm.

    Raises OSError for a file that can't be read, ValueError for what is no such image, where nothing says which one slice is
    meant, and where pixels are to be resampled of which nobody knows the size.
    """
    check_ways(how.slices, how.fit)
    scanning, found = Scanning(variable, how), open_picture(path)
    if isinstance(found, Volume):
        found = found.picture(scanning.one(found, path.name))
    picture = spaced(found, spacing)
    if how.in_mm and variable.spacing and picture.spacing is None:
        raise ValueError(
            f"how large the pixels of {path.name} are isn't known, which it was of the others: spacing=... in mm"
        )
    return scanning.image(picture)[0]
