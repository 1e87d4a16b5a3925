"""NIfTI and DICOM: volumes, their slices and masks, series, and answers that lie where the scan did."""

import gzip
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import PIL.Image
import pydicom
import torch
from numpy.typing import NDArray
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import CTImageStorage, DeflatedExplicitVRLittleEndian, ExplicitVRLittleEndian, generate_uid

import causalimg as ci
from benchmarks.reliability.case import Case, Right, answers, either, refuses
from benchmarks.reliability.cases.commands import command
from benchmarks.reliability.world import NAMES, autoencoder, model, rows

Voxels = NDArray[Any]
Ways = dict[str, tuple[Callable[[], Any], Right]]

RIGHT, FRONT, HEAD = 6, 5, 4
PATIENT = (b"Doe", b"MRN-4711", b"20200131")
"""What the headers say of the patient."""


def phantom() -> Voxels:
    """A volume that is another one in every mirror: (right, front, head)."""
    right, front, head = np.mgrid[:RIGHT, :FRONT, :HEAD]
    return (100 * right + 10 * front + head).astype(np.int16)


def axial(n: int) -> Voxels:
    """Its slice of this number, as radiologists look at it."""
    return np.flip(phantom()[:, :, n]).T


def table(*names: str, size: tuple[int, int] = (FRONT, RIGHT), spacing: Any = None, **how: Any) -> ci.Table:
    """The table of these files, in a window in which the phantom fits."""
    Path("rows.csv").write_text("\n".join(["file", *names]) + "\n")
    graph = ci.Graph.of(x=ci.Image(shape=(1, *size), spacing=spacing))
    return ci.read_table(graph, "rows.csv", **{"normalise": ci.Window(300, 600)} | how)


def shows(*expected: Voxels) -> Callable[[ci.Table], bool]:
    """Whether a table has these pictures."""
    return lambda read: bool(np.array_equal((600 * read["x"][:, 0]).round().numpy(), np.stack(expected)))


def in_grey(*expected: Voxels) -> Callable[[ci.Table], bool]:
    """Whether a table has these values."""
    return lambda read: bool(np.allclose(read["x"][:, 0], np.stack(expected), atol=1e-4))


WHOLE = shows(*map(axial, range(HEAD)))


# NIfTI: a file


def nifti(name: str = "a.nii", voxels: Voxels | None = None, affine: Any = None, **header: Any) -> None:
    """A file, by default of the phantom, with these entries in its header whether they can be right or not."""
    image = nibabel.Nifti1Image(phantom() if voxels is None else voxels, np.eye(4) if affine is None else affine)
    nibabel.save(image, name)
    if header:
        whole = Path(name).read_bytes()
        head = nibabel.Nifti1Header(whole[:348], check=False)
        for entry, value in header.items():
            head[entry] = value
        Path(name).write_bytes(head.binaryblock + whole[348:])


def volume(name: str = "a.nii", **header: Any) -> ci.Table:
    """All slices of a file of the phantom with these entries in its header."""
    nifti(name, **header)
    return table(name, slices=ci.Slices())


def of_voxels(voxels: Voxels, affine: Any = None, **how: Any) -> ci.Table:
    """All slices of a file of these voxels."""
    nifti(voxels=voxels, affine=affine)
    return table("a.nii", **{"slices": ci.Slices()} | how)


def of_bytes(name: str, change: Callable[[bytes], bytes]) -> ci.Table:
    """All slices of a file whose bytes were changed."""
    nifti(name)
    Path(name).write_bytes(change(Path(name).read_bytes()))
    return table(name, slices=ci.Slices())


def renamed(old: str, new: str) -> ci.Table:
    """A file that is called like one of another kind."""
    PIL.Image.fromarray(np.zeros((FRONT, RIGHT), np.uint8)).save("a.png")
    nifti("a.nii"), nifti("a.nii.gz"), dicom("a.dcm")
    Path(old).rename(new)
    return table(new, slices=ci.Slices())


def turned() -> ci.Table:
    """The phantom with its axes in another order, from the right to the left and from the head down."""
    stored = np.flip(phantom().transpose(2, 1, 0), (0, 2))
    affine = np.array([[0, 0, -1, RIGHT - 1], [0, 1, 0, 0], [-1, 0, 0, HEAD - 1], [0, 0, 0, 1.0]])
    return of_voxels(np.ascontiguousarray(stored), affine)


def oblique() -> ci.Table:
    """The phantom, tilted by ten degrees."""
    turn, angle = np.eye(4), np.radians(10)
    turn[:2, :2] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    return of_voxels(phantom(), turn)


def with_one(value: float, **how: Any) -> ci.Table:
    """A volume of floats, of which one is another."""
    voxels = phantom().astype(np.float32) / 1000
    voxels[1, 2, 3] = value
    return of_voxels(voxels, **how)


def in_units(unit: str, size: float) -> ci.Table:
    """Voxels of 2 mm, told in another unit, shown with pixels of 1 mm."""
    image = nibabel.Nifti1Image(phantom(), np.diag([size, size, size, 1]))
    image.header.set_xyzt_units(unit)
    nibabel.save(image, "a.nii")
    return table("a.nii", size=(2 * FRONT, 2 * RIGHT), spacing=(1.0, 1.0), slices=ci.Slices(at=1))


def no_form() -> ci.Table:
    """A header that says nothing of how voxels lie, and that they have no size."""
    return volume(sform_code=0, qform_code=0, pixdim=[1, 0, 0, 0, 0, 0, 0, 0])


def bad_quaternion() -> ci.Table:
    """Directions that are none."""
    return volume(sform_code=0, qform_code=1, quatern_b=1.0, quatern_c=1.0, quatern_d=1.0)


def twice_as_large(expected: Voxels) -> Callable[[ci.Table], bool]:
    """Whether every pixel is there four times."""
    return shows(np.kron(expected, np.ones((2, 2))))


COLOURS = np.dtype([(name, "u1") for name in "RGB"])
TRILLION = [3, 10_000, 10_000, 10_000, 1, 1, 1, 1]

FILES: Ways = {
    "a volume, as it is meant": (volume, answers(WHOLE)),
    "a compressed volume": (partial(of_bytes, "a.nii.gz", lambda whole: whole), answers(WHOLE)),
    "a volume in capitals": (partial(renamed, "a.nii", "A.NII"), answers(WHOLE)),
    "a compressed volume in capitals": (partial(renamed, "a.nii.gz", "A.NII.GZ"), answers(WHOLE)),
    "axes in another order and mirrored": (turned, answers(WHOLE)),
    "an oblique volume": (oblique, answers(WHOLE)),
    "big-endian voxels": (lambda: of_voxels(phantom().astype(">i2")), answers(WHOLE)),
    "voxels of doubles": (lambda: of_voxels(phantom().astype(np.float64)), answers(WHOLE)),
    "two axes": (lambda: of_voxels(phantom()[:, :, 0]), answers(shows(axial(0)))),
    "a fourth axis of one": (lambda: of_voxels(phantom()[..., None]), answers(WHOLE)),
    "several times": (lambda: of_voxels(np.stack([phantom()] * 3, -1)), refuses("a.nii", "(6, 5, 4, 3)", "line 2")),
    "a vector at each voxel": (lambda: of_voxels(np.zeros((6, 5, 4, 1, 3), "f4")), refuses("a.nii", "(6, 5, 4, 1, 3)")),
    "colours": (lambda: of_voxels(np.zeros((6, 5, 4), COLOURS)), refuses("a.nii", "colours")),
    "complex voxels": (lambda: of_voxels(phantom().astype(np.complex64)), refuses("line 2", "complex64")),
    "voxels of 128 bits": (lambda: volume(datatype=1536, bitpix=128), refuses("a.nii")),
    "an unknown type of voxels": (lambda: volume(datatype=4096), refuses("a.nii")),
    "a NaN": (lambda: with_one(np.nan), refuses("line 2", "finite")),
    "an infinity": (lambda: with_one(np.inf), refuses("line 2", "finite")),
    "a NaN, taken as it is": (lambda: with_one(np.nan, normalise=None), refuses("line 2", "nan")),
    "values out of bounds, taken as they are": (lambda: with_one(1.5, normalise=None), refuses("line 2", "1.5")),
    "values within the bounds, taken as they are": (
        lambda: with_one(0.123, normalise=None),
        answers(in_grey(*(axial(n) / 1000 for n in range(HEAD)))),
    ),
    "signed voxels, taken as they are": (
        lambda: of_voxels(phantom(), normalise=None),
        refuses("line 2", "int16", "normalise"),
    ),
    "a slope and an intercept": (
        lambda: volume(scl_slope=0.5, scl_inter=100),
        answers(in_grey(*((axial(n) / 2 + 100) / 600 for n in range(HEAD)))),
    ),
    "a slope of 0, which means none": (lambda: volume(scl_slope=0, scl_inter=7), answers(WHOLE)),
    "a slope that is NaN": (lambda: volume(scl_slope=np.nan), either(WHOLE, "a.nii")),
    "a slope that is infinite": (lambda: volume(scl_slope=np.inf), either(WHOLE, "a.nii")),
    "an intercept that is NaN": (lambda: volume(scl_slope=2, scl_inter=np.nan), refuses("line 2")),
    "directions of NaN": (
        lambda: volume(sform_code=1, srow_x=[np.nan] * 4),
        refuses("a.nii", "how its voxels lie"),
    ),
    "an axis without a direction": (
        lambda: volume(sform_code=1, srow_y=[0, 0, 0, 0]),
        refuses("a.nii", "how its voxels lie"),
    ),
    "a quaternion that is none": (bad_quaternion, refuses("a.nii")),
    "voxels without a size": (no_form, refuses("a.nii", "how large", "line 2")),
    "sizes in metres": (partial(in_units, "meter", 2e-3), answers(twice_as_large(axial(1)))),
    "sizes in micrometres": (partial(in_units, "micron", 2e3), answers(twice_as_large(axial(1)))),
    "sizes in seconds": (lambda: volume(xyzt_units=8), either(WHOLE, "a.nii")),
    "sizes in an unknown unit": (lambda: volume(xyzt_units=7), refuses("a.nii", "header")),
    "a header of a trillion voxels": (partial(volume, dim=TRILLION), refuses("a.nii", "expected at most", "limits")),
    "a header of no voxels": (partial(volume, dim=[3, 0, 5, 4, 1, 1, 1, 1]), refuses("a.nii", "(0, 5, 4)")),
    "a header of -6 voxels": (partial(volume, dim=[3, -6, 5, 4, 1, 1, 1, 1]), refuses("a.nii")),
    "a header of nine axes": (partial(volume, dim=[9, 6, 5, 4, 1, 1, 1, 1]), refuses("a.nii")),
    "a header of more voxels than there are": (partial(volume, dim=[3, 6, 5, 40, 1, 1, 1, 1]), refuses("a.nii")),
    "voxels from beyond the end": (partial(volume, vox_offset=1e6), refuses("a.nii")),
    "voxels from NaN": (partial(volume, vox_offset=np.nan), refuses("a.nii")),
    "voxels from within the header": (partial(volume, vox_offset=100), refuses("a.nii")),
    "an empty file": (partial(of_bytes, "a.nii", lambda whole: b""), refuses("a.nii")),
    "an empty compressed file": (partial(of_bytes, "a.nii.gz", lambda whole: b""), refuses("a.nii.gz")),
    "half a header": (partial(of_bytes, "a.nii", lambda whole: whole[:170]), refuses("a.nii")),
    "a file that was cut off": (partial(of_bytes, "a.nii", lambda whole: whole[:-30]), refuses("a.nii")),
    "a compressed file that was cut off": (
        partial(of_bytes, "a.nii.gz", lambda whole: whole[:-30]),
        refuses("a.nii.gz"),
    ),
    "a compressed file with a byte changed": (
        partial(of_bytes, "a.nii.gz", lambda whole: whole[:-20] + b"\x55" + whole[-19:]),
        refuses("a.nii.gz"),
    ),
    "a text": (partial(of_bytes, "a.nii", lambda whole: b"volume\n" * 100), refuses("a.nii")),
    "random bytes": (partial(of_bytes, "a.nii", lambda whole: bytes(range(256)) * 9), refuses("a.nii")),
    "a gigabyte of zeros behind the voxels": (
        partial(of_bytes, "a.nii.gz", lambda whole: gzip.compress(gzip.decompress(whole) + bytes(10**9), 1)),
        either(WHOLE, "a.nii.gz"),
    ),
    "a PNG that is called NIfTI": (partial(renamed, "a.png", "b.nii"), refuses("b.nii")),
    "a NIfTI that is called PNG": (partial(renamed, "a.nii", "b.png"), refuses("b.png")),
    "a DICOM that is called NIfTI": (partial(renamed, "a.dcm", "b.nii"), refuses("b.nii")),
    "a compressed file that is not called so": (
        partial(renamed, "a.nii.gz", "b.nii"),
        either(WHOLE, "b.nii"),
    ),
    "a plain file that is called compressed": (partial(renamed, "a.nii", "b.nii.gz"), either(WHOLE, "b.nii.gz")),
    "a file that is not there": (
        lambda: (nifti("a.nii.gz"), table("a.nii", slices=ci.Slices())),
        refuses("a.nii", "Did you mean 'a.nii.gz'", "line 2"),
    ),
    "a folder that is called NIfTI": (
        lambda: (Path("a.nii").mkdir(), table("a.nii", slices=ci.Slices())),
        refuses("a.nii", "line 2"),
    ),
}


# slices


def sliced(slices: Any, **how: Any) -> ci.Table:
    """Those slices of the phantom that somebody means."""
    nifti()
    return table("a.nii", slices=slices, **how)


def front_view() -> ci.Table:
    """The phantom from the front."""
    nifti()
    return table("a.nii", size=(HEAD, RIGHT), slices=ci.Slices(axis="coronal", at=1))


SLICES: Ways = {
    "no slices said": (lambda: sliced(None), refuses("6 x 5 x 4", "slices=", "line 2")),
    "one of two": (lambda: sliced(ci.Slices(every=2)), answers(shows(axial(0), axial(2)))),
    "one": (lambda: sliced(ci.Slices(at=3)), answers(shows(axial(3)))),
    "from the front": (front_view, answers(shows(np.flip(phantom()[:, 1]).T))),
    "one beyond the last": (lambda: sliced(ci.Slices(at=4)), refuses("4 axial slices", "line 2")),
    "one before the first": (lambda: sliced(ci.Slices(at=-1)), refuses("at", "-1")),
    "half a slice": (lambda: sliced(ci.Slices(at=1.5)), refuses("at", "1.5")),
    "one of none": (lambda: sliced(ci.Slices(every=0)), refuses("every", "0")),
    "an axis with a typo": (lambda: sliced(ci.Slices(axis="axail")), refuses("axis", "axail", "axial")),
    "a setting with a typo": (lambda: sliced(ci.Slices(evry=2)), refuses("evry", "Did you mean 'every'")),
    "the largest, and one by its number": (lambda: sliced(ci.Slices(largest="lv", at=1)), refuses("largest", "at")),
    "those that hold what no mask has": (lambda: sliced(ci.Slices(holding="lv")), refuses("holding", "masks")),
    "a number": (lambda: sliced(3), refuses("slices", "3")),
    "a text": (lambda: sliced("axial"), refuses("slices", "axial")),
    "a dictionary": (lambda: sliced({"at": 3}), either(shows(axial(3)), "slices")),
    "a shape of other sides": (lambda: sliced(ci.Slices(), size=(5, 12)), refuses("fit=", "line 2")),
    "a fit with a typo": (lambda: sliced(ci.Slices(), fit="padd"), refuses("padd", "Did you mean 'pad'")),
    "more slices than memory": (
        lambda: sliced(ci.Slices(), limits=ci.Limits(bytes=400)),
        refuses("bytes", "expected at most 400", "limits"),
    ),
    "a column that says another size of pixels": (
        lambda: sized("3"),
        refuses("1 x 1 mm", "3", "line 2"),
    ),
}


def sized(millimetres: str) -> ci.Table:
    """Pixels of 1 mm, of which the table says otherwise."""
    nifti()
    Path("rows.csv").write_text(f"file,mm\na.nii,{millimetres}\n")
    graph = ci.Graph.of(x=ci.Image(shape=(1, FRONT, RIGHT)))
    how = {"slices": ci.Slices(), "normalise": ci.Window(300, 600)}
    return ci.read_table(graph, "rows.csv", spacing="mm", **how)


# masks


def outline(dtype: Any = np.uint8) -> Voxels:
    """A mask of the phantom, with 0, 2, 6 and 1 voxels of the structure on its slices."""
    labels = np.zeros((RIGHT, FRONT, HEAD), dtype)
    labels[1:3, 2, 1] = labels[1:3, 1:4, 2] = labels[1, 2, 3] = 1
    return labels


def outlined(
    make: Callable[[], Any], slices: Any = None, name: str = "a.nii", structures: tuple[str, ...] = ("lv",)
) -> ci.Table:
    """The table of the phantom with the mask that is made in a folder of its own."""
    nifti()
    Path("masks").mkdir()
    dicom("a.dcm"), PIL.Image.fromarray(np.zeros((FRONT, RIGHT), np.uint8)).save("a.png")
    make()
    return table(name, masks="masks", structures=structures, slices=slices or ci.Slices())


def mask(voxels: Voxels | None = None, affine: Any = None, **header: Any) -> Callable[[], None]:
    """What makes this mask."""
    return lambda: nifti("masks/a.nii", outline() if voxels is None else voxels, affine, **header)


def png_mask(name: str = "masks/a.png") -> None:
    """A mask of one slice."""
    PIL.Image.fromarray(outline()[:, :, 2].T.copy()).save(name)


def mirrored_mask() -> None:
    """The mask, saved from the right to the left."""
    affine = np.array([[-1, 0, 0, RIGHT - 1], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1.0]])
    nifti("masks/a.nii", np.ascontiguousarray(np.flip(outline(), 0)), affine)


def has_areas(*areas: int) -> Callable[[ci.Table], bool]:
    """Whether the masks of a table have so many pixels, and lie on what they outline."""
    return lambda read: read.masks["lv"].sum((1, 2)).tolist() == list(areas)


def on_place(read: ci.Table) -> bool:
    """Whether the mask of the slice with the largest structure is where the structure is."""
    seen = (600 * read["x"][0, 0]).round()[read.masks["lv"][0]]
    return sorted(seen.tolist()) == [112, 122, 132, 212, 222, 232]


MASKS: Ways = {
    "masks, as they are meant": (lambda: outlined(mask()), answers(has_areas(0, 2, 6, 1))),
    "a mask with its axes mirrored": (lambda: outlined(mirrored_mask, ci.Slices(largest="lv")), answers(on_place)),
    "labels that are whole floats": (
        lambda: outlined(mask(outline(np.float32))),
        answers(has_areas(0, 2, 6, 1)),
    ),
    "slices that hold the structure": (
        lambda: outlined(mask(), ci.Slices(holding="lv")),
        answers(has_areas(2, 6, 1)),
    ),
    "a structure with a typo": (
        lambda: outlined(mask(), ci.Slices(holding="vl")),
        refuses("vl", "lv"),
    ),
    "a mask of another shape": (
        lambda: outlined(mask(outline()[:, :, :3])),
        refuses("6 x 5 x 3", "6 x 5 x 4", "line 2"),
    ),
    "a mask of another place": (
        lambda: outlined(mask(affine=np.diag([2.0, 1, 1, 1]))),
        refuses("elsewhere", "line 2"),
    ),
    "a mask with a label too many": (lambda: outlined(mask(2 * outline())), refuses("masks", "labels 2", "line 2")),
    "a mask with a label below 0": (
        lambda: outlined(mask(-outline(np.int16))),
        refuses("masks", "labels -1", "line 2"),
    ),
    "a mask of probabilities": (
        lambda: outlined(mask(outline(np.float32) / 2)),
        refuses("masks", "float32", "integers", "line 2"),
    ),
    "a mask with a NaN": (
        lambda: outlined(mask(np.where(outline() > 0, np.nan, 0.0))),
        refuses("masks", "integers", "line 2"),
    ),
    "a mask of colours": (
        lambda: outlined(mask(np.zeros((6, 5, 4), COLOURS))),
        refuses("a.nii", "colours"),
    ),
    "a mask of complex numbers": (
        lambda: outlined(mask(outline(np.complex64))),
        refuses("masks", "complex64", "line 2"),
    ),
    "a mask of several times": (
        lambda: outlined(mask(np.stack([outline()] * 2, -1))),
        refuses("a.nii", "(6, 5, 4, 2)"),
    ),
    "a mask whose slope doubles its labels": (
        lambda: outlined(mask(scl_slope=2.0)),
        refuses("masks", "labels 2", "line 2"),
    ),
    "a mask that was cut off": (
        lambda: outlined(lambda: (mask()(), cut("masks/a.nii"))),
        refuses("a.nii", "masks", "line 2"),
    ),
    "a mask without the structure": (
        lambda: outlined(mask(0 * outline()), ci.Slices(largest="lv")),
        refuses("no lv", "line 2"),
    ),
    "no mask": (lambda: outlined(lambda: None), refuses("a.nii", "line 2", "masks")),
    "two masks": (lambda: outlined(lambda: (mask()(), png_mask())), refuses("a.nii", "a.png")),
    "a picture of one slice for a mask": (lambda: outlined(png_mask), refuses("mask", "NIfTI", "line 2")),
    "a volume for the mask of a picture": (
        lambda: outlined(mask(), name="a.png"),
        refuses("mask", "volume", "line 2"),
    ),
    "two structures, of which the mask has one": (
        lambda: outlined(mask(), structures=("lv", "rv")),
        answers(lambda read: not read.masks["rv"].any()),
    ),
}


def cut(name: str, by: int = 30) -> None:
    """Leave the end of a file out."""
    Path(name).write_bytes(Path(name).read_bytes()[:-by])


# DICOM: a file


def dicom(name: str = "a.dcm", pixels: Voxels | None = None, stored: int | None = None, **said: Any) -> None:
    """One slice as a CT would write it, the first of the phantom; with these fields, and without those that are None."""
    pixels = np.ascontiguousarray(axial(0) if pixels is None else pixels)
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = CTImageStorage, generate_uid()
    meta.TransferSyntaxUID = said.pop("syntax", ExplicitVRLittleEndian)
    file, bits = FileDataset(name, {}, file_meta=meta, preamble=b"\0" * 128), 8 * pixels.dtype.itemsize
    usual = {
        **{"SOPClassUID": CTImageStorage, "SOPInstanceUID": meta.MediaStorageSOPInstanceUID},
        **{"PatientName": "Doe^Jane", "PatientID": "MRN-4711", "PatientSex": "F", "StudyDate": "20200131"},
        **{"SeriesInstanceUID": "1.2.3", "Modality": "CT", "Rows": pixels.shape[0], "Columns": pixels.shape[1]},
        **{"SamplesPerPixel": 1, "PhotometricInterpretation": "MONOCHROME2", "BitsAllocated": bits},
        **{"BitsStored": stored or bits, "HighBit": (stored or bits) - 1},
        **{"PixelRepresentation": int(pixels.dtype.kind == "i"), "PixelSpacing": [1.0, 1.0]},
        **{"ImageOrientationPatient": [1, 0, 0, 0, 1, 0], "ImagePositionPatient": [1.0 - RIGHT, 1.0 - FRONT, 0.0]},
        "PixelData": pixels.tobytes(),
    }
    for field, value in (usual | said).items():
        if value is not None:
            setattr(file, field, value)
    file.save_as(name, enforce_file_format=True)


def slice_(pixels: Voxels | None = None, **said: Any) -> ci.Table:
    """The table of one file with these fields."""
    how = {name: said.pop(name) for name in ("normalise", "fields", "spacing", "size") if name in said}
    with pydicom.config.disable_value_validation():
        dicom(pixels=pixels, **said)
    return table("a.dcm", **how)


def grey(values: Any, dtype: Any = np.uint16, **said: Any) -> ci.Table:
    """The table of a file of four pixels, two by two, as they are."""
    return slice_(np.array(values, dtype), **{"size": (2, 2), "normalise": None} | said)


def of_dicom_bytes(change: Callable[[bytes], bytes], name: str = "a.dcm") -> ci.Table:
    """The table of a file whose bytes were changed."""
    dicom(name)
    Path(name).write_bytes(change(Path(name).read_bytes()))
    return table(name)


def compressed(kind: Any = pydicom.uid.JPEG2000Lossless, by: int = 0) -> ci.Table:
    """The table of a compressed file of 80 x 96 pixels; so much of its end left out."""
    dicom(pixels=np.kron(axial(1), np.ones((16, 16), np.int16)).astype(np.uint16))
    file = pydicom.dcmread("a.dcm")
    file.compress(kind)
    file.save_as("a.dcm")
    if by:
        cut("a.dcm", by)
    return table("a.dcm", size=(80, 96))


def claims(syntax: Any) -> ci.Table:
    """The table of a file that says its pixels were compressed so, which they weren't."""
    dicom()
    file = pydicom.dcmread("a.dcm")
    file.PixelData = pydicom.encaps.encapsulate([b"\xff\xd8" + bytes(98)])
    file["PixelData"].is_undefined_length = True
    file.file_meta.TransferSyntaxUID = pydicom.uid.UID(syntax)
    file.save_as("a.dcm")
    return table("a.dcm")


def report() -> ci.Table:
    """The table of a file that holds no image."""
    return slice_(**dict.fromkeys(("Rows", "Columns", "PixelData", "BitsStored", "SamplesPerPixel")))


FOUR = [[0, 4095], [1024, 2048]]
HOUNSFIELD = {"RescaleSlope": 1, "RescaleIntercept": -1024}

DICOM: Ways = {
    "a slice, as it is meant": (slice_, answers(shows(axial(0)))),
    "a slice without an ending": (
        lambda: of_dicom_bytes(lambda whole: whole, "scan"),
        answers(shows(axial(0))),
    ),
    "a slice from the right to the left": (
        lambda: slice_(np.flip(axial(0), 1), ImageOrientationPatient=[-1, 0, 0, 0, 1, 0]),
        answers(shows(axial(0))),
    ),
    "a picture that doesn't say how it lies": (
        lambda: slice_(ImageOrientationPatient=None, ImagePositionPatient=None),
        answers(shows(axial(0))),
    ),
    "12 bits of 16": (lambda: grey(FOUR, stored=12), answers(in_grey(np.array(FOUR) / 4095))),
    "12 bits of 16, and something in the others": (
        lambda: grey(np.array(FOUR) | 0xF000, stored=12),
        answers(in_grey(np.array(FOUR) / 4095)),
    ),
    "white as 0": (
        lambda: grey(FOUR, stored=12, PhotometricInterpretation="MONOCHROME1"),
        answers(in_grey(1 - np.array(FOUR) / 4095)),
    ),
    "12 bits with a sign": (
        lambda: grey([[2048, 2047], [4095, 0]], stored=12, PixelRepresentation=1, normalise=ci.Window(0, 4096)),
        answers(in_grey((np.array([[-2048, 2047], [-1, 0]]) + 2048) / 4096)),
    ),
    "signed, taken as they are": (lambda: grey(FOUR, np.int16), refuses("line 2", "int16", "normalise")),
    "Hounsfield units": (
        lambda: grey([[1024, 1064], [864, 1264]], **HOUNSFIELD, normalise=ci.Window(40, 400)),
        answers(in_grey(np.array([[0.4, 0.5], [0, 1]]))),
    ),
    "Hounsfield units, taken as they are": (lambda: grey(FOUR, **HOUNSFIELD), refuses("line 2", "normalise")),
    "a slope of 0": (lambda: slice_(RescaleSlope=0, RescaleIntercept=300), refuses("a.dcm", "slope", "0")),
    "a slope that is NaN": (lambda: slice_(RescaleSlope="NaN", RescaleIntercept=0), refuses("line 2")),
    "a slope that is infinite": (lambda: slice_(RescaleSlope="1e999", RescaleIntercept=0), refuses("line 2")),
    "a slope that is a text": (lambda: broken_slope(), refuses("a.dcm", "line 2")),
    "a table for what numbers mean": (
        lambda: slice_(ModalityLUTSequence=[pydicom.Dataset()]),
        refuses("a.dcm", "plain numbers"),
    ),
    "colours for a grey image": (
        lambda: grey(
            np.full((2, 2, 3), 51), np.uint8, SamplesPerPixel=3, PhotometricInterpretation="RGB", PlanarConfiguration=0
        ),
        answers(in_grey(np.full((2, 2), 0.2))),
    ),
    "colours that are said to be grey": (lambda: slice_(SamplesPerPixel=3), refuses("a.dcm")),
    "colours by a palette": (
        lambda: slice_(PhotometricInterpretation="PALETTE COLOR"),
        refuses("a.dcm", "PALETTE COLOR"),
    ),
    "no image": (report, refuses("a.dcm", "no image", "line 2")),
    "no pixels": (lambda: slice_(PixelData=None), refuses("a.dcm", "line 2")),
    "too few pixels": (lambda: slice_(PixelData=bytes(10)), refuses("a.dcm", "line 2")),
    "several frames": (lambda: slice_(NumberOfFrames=3), refuses("a.dcm", "3 frames", "line 2")),
    "no rows": (lambda: slice_(Rows=0), refuses("a.dcm", "line 2")),
    "a header of 60 000 x 60 000 pixels": (
        lambda: slice_(Rows=60_000, Columns=60_000),
        refuses("a.dcm", "expected at most", "limits"),
    ),
    "more bits stored than there are": (lambda: slice_(BitsStored=40), refuses("a.dcm", "line 2")),
    "no bits stored": (lambda: slice_(BitsStored=0), refuses("a.dcm", "line 2")),
    "pixels of no size": (lambda: slice_(PixelSpacing=[0.0, 1.0]), refuses("a.dcm", "mm", "line 2")),
    "pixels of -1 mm": (lambda: slice_(PixelSpacing=[-1.0, 1.0]), refuses("a.dcm", "mm", "line 2")),
    "pixels of NaN mm": (lambda: slice_(PixelSpacing=["NaN", "1"]), refuses("a.dcm", "line 2")),
    "pixels with one side": (lambda: slice_(PixelSpacing=[1.0]), refuses("a.dcm", "line 2")),
    "directions of NaN": (
        lambda: slice_(ImageOrientationPatient=["NaN"] * 6),
        refuses("a.dcm", "how its voxels lie"),
    ),
    "directions of 0": (lambda: slice_(ImageOrientationPatient=[0] * 6), refuses("a.dcm", "how its voxels lie")),
    "one direction twice": (
        lambda: slice_(ImageOrientationPatient=[1, 0, 0, 1, 0, 0]),
        refuses("a.dcm", "how its voxels lie"),
    ),
    "five directions": (lambda: slice_(ImageOrientationPatient=[1, 0, 0, 0, 1]), refuses("a.dcm", "line 2")),
    "pixels compressed without loss": (compressed, answers(shows(np.kron(axial(1), np.ones((16, 16)))))),
    "compressed pixels that were cut off": (partial(compressed, by=150), refuses("a.dcm", "line 2")),
    "run-length pixels that were cut off": (
        partial(compressed, pydicom.uid.RLELossless, by=150),
        refuses("a.dcm", "line 2"),
    ),
    "pixels that nobody here decompresses": (
        partial(claims, pydicom.uid.MPEG2MPML),
        refuses("a.dcm", "MPEG2", "line 2"),
    ),
    "a compression that is not known": (partial(claims, "1.2.840.113619.5.999"), refuses("a.dcm", "line 2")),
    "pixels that are said to be JPEG": (partial(claims, pydicom.uid.JPEGBaseline8Bit), refuses("a.dcm", "line 2")),
    "a file that is deflated as a whole": (
        lambda: slice_(syntax=DeflatedExplicitVRLittleEndian),
        refuses("a.dcm", "deflated", "line 2"),
    ),
    "an empty file": (lambda: of_dicom_bytes(lambda whole: b""), refuses("a.dcm", "line 2")),
    "a file that was cut off": (lambda: of_dicom_bytes(lambda whole: whole[:-30]), refuses("a.dcm", "line 2")),
    "a header that was cut off": (lambda: of_dicom_bytes(lambda whole: whole[:400]), refuses("a.dcm", "line 2")),
    "a text": (lambda: of_dicom_bytes(lambda whole: b"slice\n" * 100), refuses("a.dcm", "line 2")),
    "random bytes behind a beginning that is right": (
        lambda: of_dicom_bytes(lambda whole: whole[:132] + bytes(range(256)) * 9),
        refuses("a.dcm", "line 2"),
    ),
    "a PNG that is called DICOM": (partial(renamed, "a.png", "b.dcm"), refuses("b.dcm", "line 2")),
    "a DICOM that is called PNG": (
        partial(renamed, "a.dcm", "b.png"),
        either(shows(axial(0)), "b.png", "line 2"),
    ),
    "fields that were asked for": (
        lambda: slice_(fields=("PatientSex",)),
        answers(lambda read: read.extra == {"file": ["a.dcm"], "PatientSex": ["F"]} or "slice" in read.extra),
    ),
    "no fields that were not asked for": (
        slice_,
        answers(lambda read: not {"PatientName", "PatientSex", "PatientID"} & read.extra.keys()),
    ),
    "a field with a typo": (lambda: slice_(fields=("PatientSx",)), refuses("PatientSx", "Did you mean 'PatientSex'")),
    "a field of pixels": (lambda: slice_(fields=("PixelData",)), refuses("PixelData")),
    "a field that is a text for a list": (lambda: slice_(fields="PatientSex"), refuses("fields", "PatientSex")),
    "fields of a NIfTI": (
        lambda: (nifti(), table("a.nii", slices=ci.Slices(at=0), fields=("PatientSex",))),
        either(lambda read: read[1].extra["PatientSex"] == [""], "PatientSex", "a.nii"),
    ),
}


def broken_slope() -> ci.Table:
    """A slope of letters, as no program would write it."""
    dicom(RescaleSlope=1.25, RescaleIntercept=0)
    whole = Path("a.dcm").read_bytes()
    Path("a.dcm").write_bytes(whole.replace(b"1.25", b"abcd", 1))
    return table("a.dcm")


# DICOM: a series


def series(
    change: Callable[[int], dict[str, Any]] = lambda k: {}, also: Callable[[], Any] = lambda: None, **how: Any
) -> ci.Table:
    """The table of the phantom as a folder of slices in another order, with what `change` says of the k-th."""
    Path("scan").mkdir()
    for name, k in enumerate((2, 0, 3, 1)):
        said = {"pixels": axial(k), "ImagePositionPatient": [1.0 - RIGHT, 1.0 - FRONT, float(k)]}
        dicom(f"scan/{name}.dcm", **said | change(k))
    also()
    return table("scan", **{"slices": ci.Slices()} | how)


def one(k: int, **said: Any) -> Callable[[int], dict[str, Any]]:
    """What is said of the k-th slice alone."""
    return lambda each: said if each == k else {}


def folder_of(*files: tuple[str, bytes]) -> ci.Table:
    """The table of a folder of these files."""
    Path("scan").mkdir()
    for name, whole in files:
        Path("scan", name).write_bytes(whole)
    return table("scan", slices=ci.Slices())


def placed(k: int, at: float) -> Callable[[int], dict[str, Any]]:
    """The k-th slice somewhere else."""
    return one(k, ImagePositionPatient=[1.0 - RIGHT, 1.0 - FRONT, at])


SERIES: Ways = {
    "a series, as it is meant": (series, answers(WHOLE)),
    "a series from the head down": (
        lambda: series(lambda k: {"ImageOrientationPatient": [1, 0, 0, 0, -1, 0], "pixels": np.flip(axial(k), 0)}),
        answers(lambda read: read["x"].shape[0] == HEAD and not read["x"].isnan().any()),
    ),
    "a series in which every slice has a slope of its own": (
        lambda: series(lambda k: {"pixels": axial(k) // (k + 1) * 1, "RescaleSlope": k + 1, "RescaleIntercept": 0}),
        answers(shows(*(axial(k) // (k + 1) * (k + 1) for k in range(HEAD)))),
    ),
    "a series that lacks a slice": (
        lambda: series(also=lambda: Path("scan/3.dcm").unlink()),
        refuses("scan", "missing", "line 2"),
    ),
    "a series with a slice twice": (lambda: series(placed(3, 2.0)), refuses("scan", "one place")),
    "a series with a slice that is too near": (lambda: series(placed(3, 2.5)), refuses("scan", "mm apart")),
    "a series with a slice nowhere": (
        lambda: series(one(2, ImagePositionPatient=None)),
        refuses("scan", "ImagePositionPatient"),
    ),
    "a series with a slice at NaN": (lambda: nan_place(), refuses("scan", "line 2")),
    "two series in one folder": (lambda: series(one(1, SeriesInstanceUID="1.2.4")), refuses("scan", "2 series")),
    "a series of two sizes of pixels": (lambda: series(one(1, PixelSpacing=[2.0, 2.0])), refuses("PixelSpacing")),
    "a series of two shapes": (lambda: series(one(1, pixels=axial(1)[:4])), refuses("scan", "Rows")),
    "a series of two directions": (
        lambda: series(one(1, ImageOrientationPatient=[0, 1, 0, 1, 0, 0])),
        refuses("ImageOrientationPatient"),
    ),
    "a series with a report": (
        lambda: series(one(1, Rows=None, PixelData=None)),
        refuses("scan", "no image", "3.dcm"),
    ),
    "a series with a slice that was cut off": (lambda: series(also=lambda: cut("scan/2.dcm")), refuses("scan")),
    "a series beside a text": (
        lambda: series(also=lambda: Path("scan/notes.txt").write_text("slices")),
        answers(WHOLE),
    ),
    "a series beside a folder": (lambda: series(also=lambda: Path("scan/more").mkdir()), answers(WHOLE)),
    "a series beside a text that is called DICOM": (
        lambda: series(also=lambda: Path("scan/notes.dcm").write_text("slices")),
        refuses("scan", "notes.dcm"),
    ),
    "a series of which one slice is meant": (lambda: series(slices=ci.Slices(at=2)), answers(shows(axial(2)))),
    "a series without slices": (lambda: series(slices=None), refuses("slices=", "line 2")),
    "an empty folder": (folder_of, refuses("scan", "line 2")),
    "a folder of texts": (partial(folder_of, ("a.txt", b"slices")), refuses("scan", "line 2")),
    "a folder of one slice": (
        lambda: (Path("scan").mkdir(), dicom("scan/a.dcm"), table("scan", slices=ci.Slices()))[-1],
        answers(shows(axial(0))),
    ),
    "a folder with a typo": (
        lambda: (series(), table("scna", slices=ci.Slices())),
        refuses("scna", "line 2"),
    ),
}


def nan_place() -> ci.Table:
    """A slice whose place is no number."""
    with pydicom.config.disable_value_validation():
        return series(one(2, ImagePositionPatient=["0", "0", "NaN"]))


# models and answers


def disc(name: str = "disc.nii", slices: int = 3, spacing: float = 1.0) -> None:
    """A disc as the middle slice of a volume of floats."""
    voxels = np.zeros((16, 16, slices), np.float32)
    voxels[:, :, slices // 2] = np.flip(rows()["x"][0, 0].numpy()).T
    nifti(name, voxels, np.diag([spacing, spacing, 8, 1]))


def read_image(name: str = "disc.nii", make: Callable[[], Any] = disc, **how: Any) -> torch.Tensor:
    """What a model of discs reads from a file."""
    make()
    return model().read_image(name, **how)


def is_disc(image: torch.Tensor) -> bool:
    """Whether it is the disc."""
    return torch.allclose(image, rows()["x"][0], atol=1e-6)


def in_mm() -> torch.Tensor:
    """A model whose images were all of so many mm reads one of which nobody knows how large it is."""
    disc("a.nii", 1)
    Path("rows.csv").write_text("file\na.nii\n")
    read = ci.read_table(ci.Graph.of(x=ci.Image(shape=(1, 16, 16), spacing=(1.0, 1.0))), "rows.csv")
    made = ci.compile(read.graph, x=autoencoder())
    made.fit(read.rows([0, 0]), x=ci.Recipe(steps=1, batch=2))
    PIL.Image.fromarray(np.zeros((32, 32), np.uint8)).save("a.png")
    return made.read_image("a.png")


def answer(n: int = 1) -> Any:
    """A counterfactual of a disc, or of several."""
    return model().do({name: rows()[name][:n] for name in NAMES}, area=70.0)


def saved(kind: str, n: int = 1, make: Callable[[], Any] = disc, **how: Any) -> Path:
    """The folder of an answer."""
    make()
    answer(n).save("answers", kind, **how)
    return Path("answers")


def dicom_disc() -> None:
    """A disc as a slice of a patient."""
    pixels = (4095 * rows()["x"][0, 0]).numpy().astype(np.uint16)
    dicom("disc.dcm", pixels, stored=12, ImagePositionPatient=[0.0, 0.0, 0.0])


def tells(folder: str) -> bool:
    """Whether a file in a folder says something of the patient."""
    files = [file for file in Path(folder).rglob("*") if file.is_file()]
    return any(word in plain(file) for file in files for word in PATIENT)


def plain(file: Path) -> bytes:
    """The bytes of a file, unpacked."""
    return gzip.decompress(file.read_bytes()) if file.suffix == ".gz" else file.read_bytes()


def learnt(fields: tuple[str, ...] = ()) -> str:
    """The folder of a model that was fitted on slices of a patient."""
    dicom_disc()
    Path("rows.csv").write_text("file\ndisc.dcm\n")
    read = ci.read_table(ci.Graph.of(x=ci.Image(shape=(1, 16, 16))), "rows.csv", fields=fields)
    made = ci.compile(read.graph, x=autoencoder())
    made.fit(read.rows([0, 0]), x=ci.Recipe(steps=1, batch=2))
    made.save("m")
    return "m"


def has_values(folder: Path) -> bool:
    """Whether a NIfTI has the answer's values."""
    voxels = nibabel.load(folder / "0000.nii.gz").get_fdata()[..., 0]
    return bool(
        np.allclose(voxels.T, answer()["x"][0, 0], atol=1e-6)
        or np.allclose(np.flip(voxels).T, answer()["x"][0, 0], atol=1e-6)
    )


def has_levels(folder: Path) -> bool:
    """Whether a DICOM has the answer's values, to 16 bits."""
    file = pydicom.dcmread(folder / "0000.dcm")
    values = file.pixel_array * float(file.RescaleSlope) + float(file.RescaleIntercept)
    return bool(np.allclose(values, answer()["x"][0, 0], atol=1e-4)) and file.ImageType[0] == "DERIVED"


LIKE = {"like": "disc.nii"}


def at(n: int) -> Any:
    """One slice by its number."""
    return ci.Slices(at=n)


ANSWERS: Ways = {
    "a slice of a volume, read for a model": (lambda: read_image(slices=at(1)), answers(is_disc)),
    "a volume, read for a model without slices": (read_image, refuses("disc.nii", "at=")),
    "all slices of a volume for a model of one": (
        lambda: read_image(slices=ci.Slices()),
        refuses("3 slices", "disc.nii", "at="),
    ),
    "the slice that is largest for a model, without masks": (
        lambda: read_image(slices=ci.Slices(largest="disc")),
        refuses("masks", "disc.nii", "at="),
    ),
    "a slice beyond the last, for a model": (lambda: read_image(slices=at(3)), refuses("3 axial slices")),
    "slices that are a number, for a model": (lambda: read_image(slices=1), refuses("slices", "1")),
    "a file that is not there, for a model": (
        lambda: read_image("dics.nii", slices=at(1)),
        refuses("dics.nii"),
    ),
    "a file that was cut off, for a model": (
        lambda: read_image(make=lambda: (disc(), cut("disc.nii")), slices=at(1)),
        refuses("disc.nii"),
    ),
    "a file of another size of pixels than is said": (
        lambda: read_image(slices=at(1), spacing=3.0),
        refuses("1 x 1 mm", "3"),
    ),
    "a file of which nobody knows how large its pixels are, for a model in mm": (in_mm, refuses("a.png", "spacing=")),
    "an answer as NIfTI": (
        lambda: saved("nifti", **LIKE, slices=at(1)),
        answers(has_values),
    ),
    "an answer as NIfTI that lies nowhere": (lambda: saved("nifti"), answers(has_values)),
    "an answer as DICOM": (lambda: saved("dicom", **LIKE, slices=at(1)), answers(has_levels)),
    "an answer as a kind with a typo": (lambda: saved("nfiti"), refuses("nfiti", "Did you mean 'nifti'")),
    "an answer like a file that is not there": (
        lambda: saved("nifti", like="dics.nii", slices=at(1)),
        refuses("dics.nii"),
    ),
    "an answer like a volume without slices": (lambda: saved("nifti", **LIKE), refuses("disc.nii", "slices=")),
    "an answer like a slice beyond the last": (lambda: saved("nifti", **LIKE, slices=at(9)), refuses("3 axial slices")),
    "an answer like an image of other sides": (
        lambda: saved("nifti", like="a.nii", slices=at(1), make=nifti),
        refuses("fit="),
    ),
    "an answer like a text": (
        lambda: saved("nifti", like="a.txt", make=lambda: Path("a.txt").write_text("x")),
        refuses("a.txt"),
    ),
    "an answer like a number": (lambda: saved("nifti", like=3), refuses("like", "3")),
    "two answers like three files": (
        lambda: saved("nifti", 2, like=["disc.nii"] * 3, slices=at(1)),
        refuses("like", "2", "3"),
    ),
    "slices of no file": (lambda: saved("nifti", slices=at(1)), refuses("slices", "like=")),
    "fields of no file": (lambda: saved("dicom", fields=("PatientSex",)), refuses("fields", "like=")),
    "fields of a NIfTI, for an answer": (
        lambda: saved("dicom", **LIKE, slices=at(1), fields=("PatientSex",)),
        refuses("PatientSex", "disc.nii"),
    ),
    "fields that are the answer's own": (
        lambda: saved("dicom", like="disc.dcm", make=dicom_disc, fields=("SOPInstanceUID",)),
        refuses("SOPInstanceUID"),
    ),
    "a field that was asked for, in an answer": (
        lambda: saved("dicom", like="disc.dcm", make=dicom_disc, fields=("PatientSex",)),
        answers(lambda folder: pydicom.dcmread(folder / "0000.dcm").PatientSex == "F" and not tells("answers")),
    ),
    "nothing of the patient in an answer as DICOM": (
        lambda: saved("dicom", like="disc.dcm", make=dicom_disc),
        answers(lambda folder: (folder / "0000.dcm").exists() and not tells("answers")),
    ),
    "nothing of the patient in an answer as NIfTI": (
        lambda: saved("nifti", like="disc.dcm", make=dicom_disc),
        answers(lambda folder: (folder / "0000.nii.gz").exists() and not tells("answers")),
    ),
    "nothing of the patient in a model": (
        lambda: learnt(("PatientName", "StudyDate")),
        answers(lambda folder: not tells(folder)),
    ),
    "an answer where somebody's file is": (
        lambda: saved("nifti", make=lambda: (Path("answers").mkdir(), Path("answers/0000.nii.gz").write_text("mine"))),
        refuses("0000.nii.gz", "not written over"),
    ),
}

# the command line


def ask(*words: str, make: Callable[[], Any] = disc) -> str:
    """``causalimg do`` of a model of discs and a volume."""
    model().save("m")
    make()
    return command("do", "m", *words, "--given", "age=50", "--given", "sex=male", "--given", "dose=8")


COMMANDS: Ways = {
    "do of a volume without slices": (lambda: ask("disc.nii", "area=70"), refuses("disc.nii", "--slices")),
    "do of a slice": (lambda: ask("disc.nii", "area=70", "--slices", "at=1"), answers(lambda text: "70 px" in text)),
    "do of a slice beyond the last": (
        lambda: ask("disc.nii", "area=70", "--slices", "at=9"),
        refuses("3 axial slices"),
    ),
    "do of a slice that is a text": (lambda: ask("disc.nii", "area=70", "--slices", "at=first"), refuses("first")),
    "do of slices with a typo": (lambda: ask("disc.nii", "area=70", "--slices", "att=1"), refuses("att", "at")),
    "do of an axis with a typo": (
        lambda: ask("disc.nii", "area=70", "--slices", "axis=coronl,at=1"),
        refuses("coronl", "coronal"),
    ),
    "do of slices without a name": (lambda: ask("disc.nii", "area=70", "--slices", "1"), refuses("slices")),
    "do of a volume that was cut off": (
        lambda: ask("disc.nii", "area=70", "--slices", "at=1", make=lambda: (disc(), cut("disc.nii"))),
        refuses("disc.nii"),
    ),
    "do of a slice of a patient": (
        lambda: ask("disc.dcm", "area=70", make=dicom_disc),
        answers(lambda text: "70 px" in text and "Doe" not in text),
    ),
    "do of a volume with a typo": (
        lambda: ask("dics.nii", "area=70", "--slices", "at=1"),
        refuses("dics.nii"),
    ),
}

AREAS = {
    "volumes: files": FILES,
    "volumes: slices": SLICES,
    "volumes: masks": MASKS,
    "DICOM: files": DICOM,
    "DICOM: series": SERIES,
    "volumes and DICOM: models and answers": ANSWERS,
    "volumes and DICOM: the command line": COMMANDS,
}

CASES = [
    Case(area, name, run, right, needs="Slices") for area, ways in AREAS.items() for name, (run, right) in ways.items()
]
