"""One counterfactual image as a file: PNG, NIfTI or DICOM. What a picture of a patient says of the patient is not in it."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import PIL.Image
from numpy.typing import NDArray

from causalimg.answers.place import Place
from causalimg.data.volumes import INSTALL
from causalimg.errors import imported
from causalimg.graph import Image

Format = Literal["png", "npz", "nifti", "dicom"]
Values = NDArray[np.float32]

MADE = "causalimg counterfactual"
DEEPEST = 2**16 - 1


@dataclass(frozen=True)
class Answer:
    """An image's `values` (channels, height, width), those of `variable`, at a `place`; `asked` in words.

    `number`: which of the answers that are written together, as one `series`.
    """

    values: Values
    variable: Image
    place: Place
    number: int
    asked: str
    series: str

    def unit(self) -> Values:
        """From 0 to 1 within the bounds. Raises ValueError where there are none."""
        low, high = self.variable.bounds
        if low is None or high is None:
            raise ValueError("an image without bounds fills no grey levels: say kind='npz'")
        return ((self.values - low) / (high - low)).clip(0, 1)

    def grey(self) -> Values:
        """The values (height, width). Raises ValueError for colours."""
        if len(self.values) != 1:
            raise ValueError(f"an image of {len(self.values)} channels: say kind='npz'")
        grey: Values = self.values[0]
        return grey


class Writer(NamedTuple):
    """How a file of this kind ends, and what writes an answer to a path."""

    ending: str
    write: Callable[[Path, Answer], object]


def write_png(path: Path, answer: Answer) -> None:
    """8 bits, black and white at the bounds."""
    levels = (255 * answer.unit()).round().astype(np.uint8)
    if len(levels) not in (1, 3):
        raise ValueError(f"an image of {len(levels)} channels: say kind='npz'")
    PIL.Image.fromarray(levels[0] if len(levels) == 1 else levels.transpose(1, 2, 0)).save(path, format="PNG")


def write_nifti(path: Path, answer: Answer) -> None:
    """The values as they are, one slice, where `answer.place` says. Nothing else of another file's header."""
    nibabel = imported("nibabel", INSTALL)
    image = nibabel.Nifti1Image(answer.grey().T[..., None], answer.place.affine)
    image.header.set_xyzt_units("mm" if answer.place.known else "unknown")
    image.header["descrip"] = MADE
    nibabel.save(image, path)


def write_dicom(path: Path, answer: Answer) -> None:
    """A secondary capture of 16 bits, marked as derived and synthetic; of the patient there is what `place.fields` copies."""
    pydicom = imported("pydicom", INSTALL)
    answer.grey()
    pixels = (DEEPEST * answer.unit()[0]).round().astype(np.uint16)
    file = pydicom.Dataset()
    for name, value in {**EMPTY, **_said(pydicom, answer), **_pixels(pixels, answer), **_lies(answer.place)}.items():
        setattr(file, name, value)
    _copy(answer.place, file)
    file.file_meta = pydicom.dataset.FileMetaDataset()
    file.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
    file.save_as(path, enforce_file_format=True)


EMPTY = dict.fromkeys(
    (
        *("PatientName", "PatientID", "PatientBirthDate", "PatientSex"),
        *("StudyDate", "StudyTime", "StudyID", "AccessionNumber", "ReferringPhysicianName"),
    ),
    "",
)
"""What every file must have, and may leave empty."""


def _said(pydicom: Any, answer: Answer) -> dict[str, Any]:
    study, series = (pydicom.uid.generate_uid(entropy_srcs=[answer.series, what]) for what in ("study", "series"))
    return {
        "SOPClassUID": pydicom.uid.SecondaryCaptureImageStorage,
        "SOPInstanceUID": pydicom.uid.generate_uid(),
        "StudyInstanceUID": study,
        "SeriesInstanceUID": series,
        "Modality": "OT",
        "ConversionType": "SYN",
        "ImageType": ["DERIVED", "SECONDARY"],
        "BurnedInAnnotation": "NO",
        "SeriesDescription": MADE,
        "DerivationDescription": f"{MADE}: do({answer.asked})"[:1024],
        "ImageComments": "Synthetic: not an image of a patient",
        "SeriesNumber": None,
        "InstanceNumber": answer.number + 1,
        "PatientOrientation": "",
    }


def _pixels(pixels: NDArray[np.uint16], answer: Answer) -> dict[str, Any]:
    low, high = (float(bound) for bound in answer.variable.bounds if bound is not None)
    return {
        "SamplesPerPixel": 1,
        "PhotometricInterpretation": "MONOCHROME2",
        "Rows": pixels.shape[0],
        "Columns": pixels.shape[1],
        "BitsAllocated": 16,
        "BitsStored": 16,
        "HighBit": 15,
        "PixelRepresentation": 0,
        "RescaleSlope": f"{(high - low) / DEEPEST:.10g}",
        "RescaleIntercept": f"{low:.10g}",
        "RescaleType": "US",
        "PixelData": pixels.astype("<u2").tobytes(),
    }


def _lies(place: Place) -> dict[str, Any]:
    """Where the pixels are, as far as it is known."""
    to_left = np.diag([-1.0, -1.0, 1.0, 1.0]) @ place.affine
    column, row = (to_left[:3, i] for i in range(2))
    said: dict[str, Any] = {}
    if place.known:
        said["PixelSpacing"] = [f"{np.linalg.norm(one):.10g}" for one in (row, column)]
    if place.lies:
        directions = [part / np.linalg.norm(one) for one in (column, row) for part in one]
        said["ImageOrientationPatient"] = [f"{one:.10g}" for one in directions]
        said["ImagePositionPatient"] = [f"{one:.10g}" for one in to_left[:3, 3]]
    return said


def _copy(place: Place, file: Any) -> None:
    """What was asked for of the header. Raises ValueError for what is this file's own."""
    for element in place.fields:
        if file.get(element.keyword) not in (None, ""):
            raise ValueError(f"fields: {element.keyword} is the answer's own, and is not copied")
        file[element.tag] = element


FORMATS: dict[Format, Writer] = {
    "png": Writer(".png", write_png),
    "nifti": Writer(".nii.gz", write_nifti),
    "dicom": Writer(".dcm", write_dicom),
}
"""The kinds that have a file for each row."""
