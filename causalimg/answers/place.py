"""Where in the patient the pixels of an answer are: where those of the file were from which the image was read."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from causalimg.data.dicom import check_fields, fields_of
from causalimg.data.frame import Fit, Frame
from causalimg.data.images import open_picture
from causalimg.data.preprocessing import Preprocessing
from causalimg.data.scans import Scanning
from causalimg.data.slices import Slices
from causalimg.data.volumes import Picture
from causalimg.errors import check_kind, check_kinds
from causalimg.graph import Image

SHOWN = np.diag([-1.0, -1.0, 1.0, 1.0])
"""To the right, front and head from (column, row) of an axial slice as it is shown."""

Like = str | Path | Sequence[str | Path]
"""The file from which the image was read; or one for each row."""


@dataclass(frozen=True)
class Place:
    """Where an image's pixels are, and what is copied of the header of the file that says so.

    `affine` (4, 4): from (column, row, 0, 1) to the patient's right, front and head in mm. `known`: whether pixels are as large
    as it says. `lies`: whether a file says how they lie. `fields`: elements of a DICOM header.
    """

    affine: NDArray[np.float64]
    known: bool
    lies: bool = False
    fields: tuple[Any, ...] = ()


def places(
    variable: Image,
    rows: int,
    like: Like | None,
    slices: Slices | Sequence[Slices] | None = None,
    fit: Fit | None = None,
    fields: Sequence[str] = (),
) -> list[Place]:
    """Where the image of each row is; without `like`, where nobody knows, with pixels as `variable` declares them.

    Raises ValueError where files or slices are not one, or one for each row, for `fields` without `like`, and what can't be read.
    """
    if like is None:
        if fields or slices or fit:
            raise ValueError("slices, fit and fields are those of a file: say like=...")
        high, wide = variable.spacing or (1.0, 1.0)
        return [Place(SHOWN @ np.diag([wide, high, 1.0, 1.0]), variable.spacing is not None)] * rows
    if fields:
        check_fields(fields)
    named = [like] if isinstance(like, str | Path) else like
    check_kinds("like", named, str, Path)
    files = _each("like", [Path(one) for one in named], rows)
    chosen = _each("slices", [slices] if isinstance(slices, Slices) or slices is None else list(slices), rows)
    for one in chosen:
        check_kind("slices", one, Slices, type(None))
    known: dict[Any, Place] = {}
    for key in zip(files, chosen, strict=True):
        if key not in known:
            known[key] = _place(key[0], Scanning(variable, Preprocessing(slices=key[1], fit=fit)), fields)
    return [known[key] for key in zip(files, chosen, strict=True)]


def _each(what: str, given: list[Any], rows: int) -> list[Any]:
    if len(given) not in (1, rows):
        raise ValueError(f"{what}: expected one, or one for each of {rows} rows, got {len(given)}")
    return given * rows if len(given) == 1 else given


def _place(file: Path, scanning: Scanning, fields: Sequence[str]) -> Place:
    found, copied = open_picture(file), tuple(fields_of(file, fields)) if fields else ()
    size = scanning.variable.shape[1:]
    if isinstance(found, Picture):
        frame = Frame.of(found, scanning.variable, scanning.how.fit)
        high, wide = frame.pixel(found, size) or (1.0, 1.0)
        return Place(SHOWN @ np.diag([wide, high, 1.0, 1.0]), found.spacing is not None, fields=copied)
    at = scanning.one(found, file.name)
    picture = found.picture(at)
    shown = Frame.of(picture, scanning.variable, scanning.how.fit).within(picture.shape, size)
    return Place(found.placed(at) @ shown, True, True, copied)
