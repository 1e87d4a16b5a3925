"""DICOM: one file as a picture, or as a volume of one slice where it says how that lies; a folder of files as a series.

Numbers are those that the device meant: only the bits that are stored, with their sign, white as the greatest, in the unit that
slope and intercept lead to (Hounsfield units, of a CT). Nothing of a header is kept but what was asked for by name.
"""

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import numpy as np

from causalimg.data.arrays import Pixels
from causalimg.data.limits import Limits
from causalimg.data.volumes import INSTALL, Picture, Volume, check_voxels, turned
from causalimg.errors import check_known, imported

ENDINGS = (".dcm", ".dicom")
GREY = ("MONOCHROME1", "MONOCHROME2")
COLOURS = ("RGB", "YBR_FULL", "YBR_FULL_422", "YBR_ICT", "YBR_RCT")
UNEVEN = 0.05
"""Distances between slices differ by no more than this share."""

NO_TEXT = ("SQ", "OB", "OD", "OF", "OL", "OV", "OW", "UN")
"""The kinds of fields that are no text or numbers."""

BROKEN = (AttributeError, IndexError, KeyError, OverflowError, TypeError)
"""What pydicom raises where a header is not what it should be."""

Header = Any


def is_dicom(file: Path) -> bool:
    """Whether a file is called like one, or begins like one."""
    if file.suffix.lower() in ENDINGS:
        return True
    with file.open("rb") as start:
        return start.read(132)[128:] == b"DICM"


def series_in(folder: Path) -> list[Path]:
    """The DICOM files in a folder; what else is there is left alone."""
    return sorted(file for file in folder.iterdir() if file.is_file() and file.name != "DICOMDIR" and is_dicom(file))


def check_fields(fields: Sequence[str]) -> None:
    """Raise ValueError for what is no keyword of DICOM, or is no text."""
    datadict = imported("pydicom.datadict", INSTALL)
    for name in fields:
        if name not in datadict.keyword_dict:  # of which there are thousands
            near = get_close_matches(name, datadict.keyword_dict, n=1)
            raise ValueError(f"unknown DICOM field {name!r}." + "".join(f" Did you mean {one!r}?" for one in near))
        if set(datadict.dictionary_VR(name).split()) & set(NO_TEXT):
            raise ValueError(f"fields: {name} is no text and no number")


def fields_of(path: Path, fields: Sequence[str]) -> list[Any]:
    """Elements of the header of a file, or of one of a series, as pydicom has them. Raises ValueError where it is no DICOM."""
    file = series_in(path)[0] if path.is_dir() else path
    if not is_dicom(file):
        raise ValueError(f"fields={tuple(fields)} are those of DICOM files, and {path} is none")
    header = imported("pydicom", INSTALL).dcmread(file, stop_before_pixels=True)
    return [header[name] for name in fields if name in header]


def read_dicom(path: Path, limits: Limits, fields: Sequence[str] = ()) -> Picture | Volume:
    """The file at `path`, or the series in the folder at `path`, with `fields` of (the first) header as text.

    Raises ValueError for what is none, is beyond `limits`, holds several frames or series, lacks a slice, or has colours that
    are not understood.
    """
    try:
        return _read(series_in(path) if path.is_dir() else [path], limits, fields)
    except (*BROKEN, imported("pydicom", INSTALL).errors.BytesLengthException) as error:
        raise ValueError(f"its header is broken: {error}") from None


def _read(files: Sequence[Path], limits: Limits, fields: Sequence[str]) -> Picture | Volume:
    headers = [_header(file, limits) for file in files]
    first = headers[0]
    check_voxels((len(files), first.Rows, first.Columns), 8, limits)
    known = {name: _text(first.get(name)) for name in fields}
    if len(files) > 1:
        _check_one_series(headers)
    elif "ImageOrientationPatient" not in first or "ImagePositionPatient" not in first or first.SamplesPerPixel != 1:
        pixels, most = _pixels(files[0], first)
        spacing = first.get("PixelSpacing")
        return Picture(pixels, (float(spacing[0]), float(spacing[1])) if spacing else None, most, known)
    return _volume(files, headers, known)


def _header(file: Path, limits: Limits) -> Header:
    """What a file says of itself, checked. Its pixels are not read."""
    pydicom = imported("pydicom", INSTALL)
    try:
        meta = pydicom.filereader.read_file_meta_info(file)
        if meta.get("TransferSyntaxUID") == pydicom.uid.DeflatedExplicitVRLittleEndian:
            raise ValueError("it is deflated as a whole: save it uncompressed")  # a header could hold a terabyte
        header = pydicom.dcmread(file, stop_before_pixels=True)
    except pydicom.errors.InvalidDicomError:
        raise ValueError(f"{file.name} is no DICOM file, or broken") from None
    _check_header(header, file.name)
    limits.check_size(header.Rows, header.Columns)
    return header


def _check_header(header: Header, name: str) -> None:
    for field in ("Rows", "Columns", "BitsStored", "SamplesPerPixel", "PhotometricInterpretation"):
        if field not in header:
            raise ValueError(f"{name} holds no image: it has no {field}")
    if int(header.get("NumberOfFrames") or 1) > 1:
        raise ValueError(
            f"{name} has {header.NumberOfFrames} frames: save the one that is meant, or NIfTI of the volume"
        )
    check_known("colours of a DICOM file", [header.PhotometricInterpretation], GREY + COLOURS)
    if min(header.get("PixelSpacing") or (1,)) <= 0:
        raise ValueError(f"{name} has pixels of {header.PixelSpacing} mm")
    if "ModalityLUTSequence" in header:
        raise ValueError(f"{name} has a table for what its numbers mean, which is not understood: save plain numbers")


def _text(value: Any) -> str:
    return "" if value is None else str(value)


def _pixels(file: Path, header: Header) -> tuple[Pixels, int | None]:
    """The numbers that were meant, and the greatest integer that could be, where they have no unit."""
    pixels = np.asarray(imported("pydicom.pixels", INSTALL).pixel_array(imported("pydicom", INSTALL).dcmread(file)))
    if header.PhotometricInterpretation in COLOURS:
        return pixels, None
    pixels = _white_high(pixels, header)
    slope, intercept = (float(header.get(f"Rescale{name}", usual)) for name, usual in (("Slope", 1), ("Intercept", 0)))
    if (slope, intercept) == (1, 0):
        return pixels, 2**header.BitsStored - 1
    if not slope:
        raise ValueError(f"{file.name} has a RescaleSlope of 0: all of its pixels would be alike")
    scaled = pixels * slope + intercept
    return scaled.astype(np.int32) if slope.is_integer() and intercept.is_integer() else scaled, None


def _white_high(pixels: Pixels, header: Header) -> Pixels:
    """With white as the greatest. (pydicom leaves out the bits beside those that are stored.)"""
    if header.PhotometricInterpretation != "MONOCHROME1":
        return pixels
    return (-1 if pixels.dtype.kind == "i" else 2**header.BitsStored - 1) - pixels


def _check_one_series(headers: Sequence[Header]) -> None:
    """Raise ValueError where files don't belong together."""
    series = {str(header.get("SeriesInstanceUID")) for header in headers}
    if len(series) > 1:
        raise ValueError(f"it holds {len(series)} series: give each a folder of its own")
    for name in ("ImageOrientationPatient", "ImagePositionPatient", "PixelSpacing"):
        if missing := sum(name not in header for header in headers):
            raise ValueError(f"{missing} of {len(headers)} files have no {name}")
    for name in ("Rows", "Columns", "PixelSpacing", "ImageOrientationPatient", "SamplesPerPixel"):
        values = np.array([header[name].value for header in headers], dtype=float).reshape(len(headers), -1)
        if not np.allclose(values, values[0], atol=1e-3):
            raise ValueError(f"its files differ in {name}")
    if headers[0].SamplesPerPixel != 1:
        raise ValueError("a series of colours: save it as grey")


def _volume(files: Sequence[Path], headers: Sequence[Header], known: Mapping[str, str]) -> Volume:
    first = headers[0]
    along_row, along_column = np.array(first.ImageOrientationPatient, dtype=float).reshape(2, 3)
    normal = np.cross(along_row, along_column)
    places = np.array([header.ImagePositionPatient for header in headers], dtype=float)
    order = np.argsort(places @ normal)
    places = places[order]
    _check_even(places @ normal)
    thick = float(first.get("SliceThickness") or 1)
    between = (places[-1] - places[0]) / (len(places) - 1) if len(places) > 1 else normal * thick
    row_size, column_size = map(float, first.get("PixelSpacing") or (1, 1))
    affine = np.eye(4)
    affine[:3] = np.stack([along_row * column_size, along_column * row_size, between, places[0]], axis=1)
    read = [_pixels(files[i], headers[i]) for i in order]
    most = {one for _, one in read}
    voxels = np.stack([pixels for pixels, _ in read]).transpose(2, 1, 0)
    lps_to_ras = np.diag([-1.0, -1.0, 1.0, 1.0])
    return turned(voxels, lps_to_ras @ affine, most=most.pop() if len(most) == 1 else None, fields=known)


def _check_even(along: Pixels) -> None:
    """Raise ValueError where slices, `along` their normal in mm, are not as far apart throughout."""
    steps = np.diff(along)
    if len(steps) and steps.min() <= 1e-3:
        raise ValueError("two of its slices lie at one place: give each volume a folder of its own")
    if len(steps) and steps.max() - steps.min() > UNEVEN * steps.min():
        raise ValueError(f"its slices are {steps.min():g} to {steps.max():g} mm apart: one may be missing")
