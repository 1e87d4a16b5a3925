"""NIfTI, DICOM and pixels in mm: a file is read as what was scanned, however it was saved, or refused with what to say."""

import sys
from contextlib import suppress
from itertools import permutations, product
from pathlib import Path

import nibabel
import numpy as np
import pydicom
import pytest
import torch
from PIL import Image as Picture
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

import causalimg as ci
from causalimg.data.frame import Frame
from causalimg.data.images import open_picture
from causalimg.data.normalise import normalise_from_data, normalise_to_data
from causalimg.data.volumes import Picture as Seen

HC18 = Path(__file__).parent.parent.parent / "shared/data/hc18"
SIZE = (6, 5, 4)  # towards right, front, head


def phantom():
    """A volume that is another one in every mirror: int16, (right, front, head)."""
    right, front, head = np.mgrid[: SIZE[0], : SIZE[1], : SIZE[2]]
    return (100 * right + 10 * front + head).astype(np.int16)


def graph(height=5, width=6, **settings):
    return ci.Graph.of(x=ci.Image(shape=(1, height, width), **settings))


def table(folder, names, of=None, **how):
    """The table of these files."""
    return ci.read_table(of or graph(), rows(folder, names), normalise=how.pop("normalise", ci.Window(300, 600)), **how)


def rows(folder, names, **more):
    path = folder / "rows.csv"
    lines = [",".join(["file", *more]), *(",".join(map(str, row)) for row in zip(names, *more.values(), strict=True))]
    path.write_text("\n".join(lines) + "\n")
    return path


def nifti(path, voxels, affine=None):
    nibabel.save(nibabel.Nifti1Image(voxels, np.diag([1, 1, 1, 1.0]) if affine is None else affine), path)


def saved_as(voxels, order, signs, spacing=(1.0, 1.0, 1.0)):
    """RAS `voxels` with their axes in this order and these directions, and the affine that says so."""
    affine = np.zeros((4, 4))
    affine[3, 3] = 1
    for mine, (axis, sign) in enumerate(zip(order, signs, strict=True)):
        affine[axis, mine] = sign * spacing[axis]
        affine[axis, 3] = 0 if sign > 0 else (voxels.shape[axis] - 1) * spacing[axis]
    stored = voxels.transpose(order)
    for mine, sign in enumerate(signs):
        stored = np.flip(stored, mine) if sign < 0 else stored
    return np.ascontiguousarray(stored), affine


def dicom(path, pixels, *, stored=16, kind="MONOCHROME2", spacing=(1.0, 1.0), lies=(1, 0, 0, 0, 1, 0), **said):
    """One slice as a CT would write it; `lies`: the directions of its rows and columns, None for none."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = CTImageStorage, generate_uid()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    file = FileDataset(path, {}, file_meta=meta, preamble=b"\0" * 128)
    file.SOPClassUID, file.SOPInstanceUID = CTImageStorage, meta.MediaStorageSOPInstanceUID
    file.PatientName, file.PatientID, file.PatientSex = "Doe^Jane", "MRN-4711", "F"
    file.StudyDate, file.SeriesInstanceUID = "20200131", said.pop("series", "1.2.3")
    file.Rows, file.Columns = pixels.shape[:2]
    file.SamplesPerPixel, file.PhotometricInterpretation = 1, kind
    file.BitsAllocated = 8 * pixels.dtype.itemsize
    file.BitsStored, file.HighBit = stored, stored - 1
    file.PixelRepresentation = int(pixels.dtype.kind == "i")
    if spacing:
        file.PixelSpacing = list(spacing)
    if lies is not None:
        file.ImageOrientationPatient = list(lies)
        file.ImagePositionPatient = [0.0, 0.0, 0.0]
    for name, value in said.items():
        setattr(file, name, value)
    file.PixelData = np.ascontiguousarray(pixels).tobytes()
    file.save_as(path, enforce_file_format=True)


def series(folder, voxels, order=None, **said):
    """The RAS `voxels` as axial slices (rows to the back, columns to the left), files named in a random `order`."""
    folder.mkdir()
    right, front, n = voxels.shape
    for name, k in enumerate(order or range(n)):
        said |= {"ImagePositionPatient": [1.0 - right, 1.0 - front, k]}  # to the left, back and head
        dicom(folder / f"{name}.dcm", np.flip(voxels[:, :, k], (0, 1)).T, **said)


def wrong(folder, names, **how):
    with pytest.raises(ci.TableError) as caught:
        table(folder, names, **how)
    return str(caught.value)


# orientation


@pytest.mark.parametrize("order", list(permutations(range(3))), ids=str)
def test_a_volume_reads_the_same_however_its_axes_are_saved(tmp_path, order):
    for signs in product((1, -1), repeat=3):
        nifti(tmp_path / "a.nii.gz", *saved_as(phantom(), order, signs))
        read = table(tmp_path, ["a.nii.gz"], slices=ci.Slices(axis="axial"))
        assert read.extra["slice"] == ["0", "1", "2", "3"]
        values = (read["x"][:, 0] * 600).round().numpy()
        assert (values == np.flip(phantom(), (0, 1)).transpose(2, 1, 0)).all()


def test_slices_are_shown_as_radiologists_look_at_them(tmp_path):
    """The patient's right is on the left of axial and coronal slices, the front on the left of sagittal ones, the head above."""
    nifti(tmp_path / "a.nii", phantom())
    corner = {}
    for axis, (height, width) in {"axial": (5, 6), "coronal": (4, 6), "sagittal": (4, 5)}.items():
        how = {"of": graph(height, width), "slices": ci.Slices(axis=axis, at=1)}
        corner[axis] = (table(tmp_path, ["a.nii"], **how)["x"][0, 0, 0, 0] * 600).round().item()
    assert corner == {"axial": 541, "coronal": 513, "sagittal": 143}  # right, front, head of the upper left corner


def test_a_dicom_series_is_sorted_by_position_and_reads_as_the_nifti(tmp_path):
    nifti(tmp_path / "a.nii", phantom())
    series(tmp_path / "scan", phantom(), order=[2, 0, 3, 1])
    read = table(tmp_path, ["scan", "a.nii"], slices=ci.Slices())
    assert torch.equal(read["x"][:4], read["x"][4:])
    assert read.extra["file"] == ["scan"] * 4 + ["a.nii"] * 4
    assert list(read.lines) == [2] * 4 + [3] * 4


def test_one_dicom_slice_is_a_picture_turned_to_the_patient(tmp_path):
    pixels = phantom()[:, :, 2].T  # rows to the front, columns to the right
    dicom(tmp_path / "a.dcm", pixels, lies=(-1, 0, 0, 0, -1, 0))
    read = table(tmp_path, ["a.dcm"])
    assert ((read["x"][0, 0] * 600).round().numpy() == np.flip(pixels)).all()


def test_a_dicom_file_that_says_no_position_is_as_it_is_stored(tmp_path):
    pixels = phantom()[:, :, 2].T
    dicom(tmp_path / "noending", pixels, lies=None)
    assert ((table(tmp_path, ["noending"])["x"][0, 0] * 600).round().numpy() == pixels).all()


# slices


def outlined(folder):
    """A volume with a mask; the structure has 0, 2, 6 and 1 voxels on its axial slices."""
    labels = np.zeros(SIZE, np.uint8)
    labels[1:3, 2, 1] = labels[1:3, 1:4, 2] = labels[1, 2, 3] = 1
    for name, voxels in {"scans/a.nii.gz": phantom(), "masks/a.nii.gz": labels}.items():
        (folder / name).parent.mkdir(exist_ok=True)
        nifti(folder / name, *saved_as(voxels, (2, 0, 1), (1, -1, 1)))
    return {"images": folder / "scans", "masks": folder / "masks", "structures": ("lv",)}


@pytest.mark.parametrize(
    ("slices", "expected"),
    [
        (ci.Slices(every=3), ["0", "3"]),
        (ci.Slices(holding="lv"), ["1", "2", "3"]),
        (ci.Slices(holding="lv", every=2), ["1", "3"]),
        (ci.Slices(largest="lv"), ["2"]),
        (ci.Slices(at=3), ["3"]),
    ],
    ids=str,
)
def test_slices_say_which_are_rows(tmp_path, slices, expected):
    read = table(tmp_path, ["a.nii.gz"], **outlined(tmp_path), slices=slices)
    assert read.extra["slice"] == expected
    areas = {"0": 0, "1": 2, "2": 6, "3": 1}
    assert read.masks["lv"].sum((1, 2)).tolist() == [areas[one] for one in expected]


def test_masks_lie_on_the_slices_as_images_do(tmp_path):
    read = table(tmp_path, ["a.nii.gz"], **outlined(tmp_path), slices=ci.Slices(largest="lv"))
    seen = (read["x"][0, 0] * 600).round()[read.masks["lv"][0]]
    assert sorted(seen.tolist()) == [112, 122, 132, 212, 222, 232]


def test_a_series_in_a_folder_is_outlined_in_a_nifti_of_its_name(tmp_path):
    how = outlined(tmp_path)
    series(tmp_path / "scans/b", phantom())
    (tmp_path / "masks/a.nii.gz").rename(tmp_path / "masks/b.nii.gz")
    read = table(tmp_path, ["b"], **how, slices=ci.Slices(largest="lv"))
    assert sorted((read["x"][0, 0] * 600).round()[read.masks["lv"][0]].tolist()) == [112, 122, 132, 212, 222, 232]


def test_labels_that_are_whole_floats_are_labels(tmp_path):
    how, mask = outlined(tmp_path), tmp_path / "masks/a.nii.gz"
    expected = table(tmp_path, ["a.nii.gz"], **how, slices=ci.Slices())
    image = nibabel.load(mask)
    nibabel.save(nibabel.Nifti1Image(image.get_fdata().astype(np.float32), image.affine), mask)
    read = table(tmp_path, ["a.nii.gz"], **how, slices=ci.Slices())
    assert torch.equal(read.masks["lv"], expected.masks["lv"])
    nibabel.save(nibabel.Nifti1Image(image.get_fdata().astype(np.float32) / 2, image.affine), mask)
    assert "type float32, expected (height, width) and integers" in wrong(
        tmp_path, ["a.nii.gz"], **how, slices=ci.Slices()
    )


def test_a_row_of_a_volume_is_repeated_for_each_slice(tmp_path):
    nifti(tmp_path / "a.nii", phantom())
    declared = ci.Graph.of(age=ci.Continuous(), x=ci.Image(parents=["age"], shape=(1, 5, 6)))
    csv = rows(tmp_path, ["a.nii"], age=[51], patient=["p1"])
    read = ci.read_table(declared, csv, normalise=ci.Window(300, 600), slices=ci.Slices(every=2))
    assert read["age"].tolist() == [51, 51]
    assert read.extra["patient"] == ["p1", "p1"]


def test_a_volume_without_slices_is_refused_with_what_to_say(tmp_path):
    nifti(tmp_path / "a.nii", phantom())
    assert "it holds 6 x 5 x 4 voxels: slices=ci.Slices(axis='axial', every=1) says which are meant (line 2)" in wrong(
        tmp_path, ["a.nii"]
    )
    nifti(tmp_path / "b.nii", phantom()[:, :, :1])
    assert len(table(tmp_path, ["b.nii"])) == 1


@pytest.mark.parametrize(
    ("slices", "said"),
    [
        (ci.Slices(at=4), "it has 4 axial slices, none of the number 4"),
        (ci.Slices(largest="lv"), "Slices(largest='lv') needs masks: masks=..., structures=('lv',)"),
    ],
)
def test_slices_that_are_not_there_are_refused(tmp_path, slices, said):
    nifti(tmp_path / "a.nii", phantom())
    assert said in wrong(tmp_path, ["a.nii"], slices=slices)


@pytest.mark.parametrize(
    ("made", "said"),
    [
        (lambda: ci.Slices(axis="axil"), "Slices.axis"),
        (lambda: ci.Slices(largst="lv"), "unknown setting 'largst'. Did you mean 'largest'?"),
        (lambda: ci.Slices(largest="lv", every=2), "largest says which slice: leave out every / holding"),
        (lambda: ci.Slices(largest="lv", at=2), "largest says which slice: leave out at"),
    ],
)
def test_slices_that_cannot_be_are_refused(made, said):
    with pytest.raises(ValueError, match="Slices") as caught:
        made()
    assert said in str(caught.value)


@pytest.mark.parametrize("change", ["size", "place", "structure", "kind"])
def test_masks_of_another_grid_or_kind_are_refused(tmp_path, change):
    how, mask = outlined(tmp_path), tmp_path / "masks/a.nii.gz"
    if change == "size":
        nifti(mask, np.zeros((6, 5, 3), np.uint8))
    if change == "place":
        nifti(mask, np.zeros(SIZE, np.uint8), np.diag([2, 1, 1, 1.0]))
    if change == "kind":
        mask.unlink()
        Picture.fromarray(np.zeros((5, 6), np.uint8)).save(tmp_path / "masks/a.png")
    said = wrong(tmp_path, ["a.nii.gz"], **how, slices=ci.Slices(holding="rv" if change == "structure" else "lv"))
    assert {
        "size": "the mask has 6 x 5 x 3 voxels, the image 6 x 5 x 4",
        "place": "the voxels of the mask lie elsewhere than those of the image",
        "structure": "unknown structure 'rv'",
        "kind": "the mask doesn't: save the mask as NIfTI",
    }[change] in said


def test_two_masks_of_one_image_are_refused(tmp_path):
    how = outlined(tmp_path)
    Picture.fromarray(np.zeros((5, 6), np.uint8)).save(tmp_path / "masks/a.png")
    assert "two masks of 'a.nii.gz': a.png and a.nii.gz" in wrong(tmp_path, ["a.nii.gz"], **how, slices=ci.Slices())


# grey levels


def test_a_window_in_hounsfield_units(tmp_path):
    stored = np.array([[-1100, 860], [1060, 1064], [1264, 4000]], np.int16)
    said = {"RescaleSlope": 1, "RescaleIntercept": -1024}
    dicom(tmp_path / "a.dcm", stored, **said)
    read = table(tmp_path, ["a.dcm"], of=graph(3, 2), normalise=ci.Window(40, 400))
    expected = np.clip((stored - 1024.0 + 160) / 400, 0, 1)
    assert np.allclose(read["x"][0, 0], expected)
    assert "pixels are int32, expected uint8, uint16 or floats; or say normalise=" in wrong(
        tmp_path, ["a.dcm"], of=graph(3, 2), normalise=None
    )


def test_slopes_that_are_no_whole_numbers_are_applied(tmp_path):
    dicom(tmp_path / "a.dcm", np.full((2, 2), 3, np.uint16), RescaleSlope=0.25, RescaleIntercept=0.1)
    assert table(tmp_path, ["a.dcm"], of=graph(2, 2), normalise=None)["x"].mean() == pytest.approx(0.85)


def test_12_of_16_bits_fill_the_bounds_and_what_is_in_the_others_is_none_of_the_image(tmp_path):
    stored = np.array([[0, 4095], [2048, 1024]], np.uint16)
    dicom(tmp_path / "a.dcm", stored | 0xF000, stored=12)
    read = table(tmp_path, ["a.dcm"], of=graph(2, 2), normalise=None)
    assert np.allclose(read["x"][0, 0], stored / 4095)


def test_12_bits_with_a_sign(tmp_path):
    stored = np.array([[-2048, 2047], [-1, 0]], np.int16)
    dicom(tmp_path / "a.dcm", stored & 0x0FFF, stored=12)
    read = table(tmp_path, ["a.dcm"], of=graph(2, 2), normalise=ci.Window(0, 4096))
    assert np.allclose(read["x"][0, 0] * 4096 - 2048, stored, atol=1e-3)


def test_monochrome1_is_inverted(tmp_path):
    stored = np.array([[0, 4095], [1000, 95]], np.uint16)
    dicom(tmp_path / "a.dcm", stored, stored=12, kind="MONOCHROME1", lies=None)
    read = table(tmp_path, ["a.dcm"], of=graph(2, 2), normalise=None)
    assert np.allclose(read["x"][0, 0], 1 - stored / 4095)


def test_compressed_pixels_are_read(tmp_path):
    dicom(tmp_path / "a.dcm", np.kron(phantom()[:, :, 1].T, np.ones((16, 16))).astype(np.uint16), lies=None)
    plain = table(tmp_path, ["a.dcm"])["x"]
    file = pydicom.dcmread(tmp_path / "a.dcm")
    file.compress(pydicom.uid.JPEG2000Lossless)
    file.save_as(tmp_path / "a.dcm")
    assert torch.equal(table(tmp_path, ["a.dcm"])["x"], plain)
    assert plain.std() > 0.1


def test_scaled_and_big_endian_nifti(tmp_path):
    image = nibabel.Nifti1Image(np.full((6, 5, 1), 50, ">i2"), np.eye(4))
    image.header.set_slope_inter(2.0, 100.0)
    nibabel.save(image, tmp_path / "a.nii")
    file = nibabel.load(tmp_path / "a.nii")
    assert table(tmp_path, ["a.nii"])["x"].mean().item() * 600 == pytest.approx(float(file.get_fdata().mean()))


@pytest.mark.filterwarnings("ignore:the image hardly follows:UserWarning")
def test_a_window_is_saved_with_a_model_and_a_slice_read_as_those_of_fit(tmp_path):
    nifti(tmp_path / "a.nii", phantom())
    read = table(tmp_path, ["a.nii"], of=graph(4, 8), slices=ci.Slices(), fit="pad")
    model = ci.compile(read.graph, x=ci.HVAE(widths=(4, 4), latents=(0, 2)))
    model.fit(read, x=ci.Recipe(steps=1, batch=2))
    model.save(tmp_path / "model")
    again = ci.CausalModel.load(tmp_path / "model")
    assert again.preprocessing == ci.Preprocessing(normalise=ci.Window(300, 600), slices=ci.Slices(), fit="pad")
    assert torch.equal(again.read_image(tmp_path / "a.nii", slices=ci.Slices(at=2), fit="pad"), read["x"][2])
    with pytest.raises(ValueError, match=r"x: 4 slices of .*at=\.\.\."):
        again.read_image(tmp_path / "a.nii", slices=ci.Slices())


def test_ways_to_normalise_make_the_round_trip():
    for one in (ci.Window(40, 400), ci.Percentile(2, 98), None):
        assert normalise_from_data(normalise_to_data(one)) == one
    with pytest.raises(ValueError, match=r"Window\.width"):
        ci.Window(40, 0)
    with pytest.raises(ValueError, match="Window"):
        ci.Window(40)


# pixels in mm


def heart(spacing):
    """A heart and its mask, 120 mm wide, seen with pixels of `spacing` mm, and the area of its cavity in mm2."""
    size = round(120 / spacing)
    drawn = ci.phantoms.Heart(size=size).sample(1, seed=3)
    return drawn.values["x"][0, 0].numpy(), drawn.masks["lv"][0].numpy().astype(np.uint8), drawn.values["lv_area"][0]


class Hearts(ci.Graph):
    lv_area = ci.Continuous(unit="mm2", bounds=(0, None), measured=ci.Area("lv"))
    x = ci.Image(parents=[lv_area], shape=(1, 64, 56), spacing=(1.5, 1.5))


@pytest.mark.parametrize("kind", ["nifti", "png"])
def test_a_heart_at_four_spacings_has_one_area(tmp_path, kind):
    (tmp_path / "masks").mkdir()
    names, spacings, truth = [], (0.75, 1.0, 1.25, 1.875), None
    for spacing in spacings:
        image, mask, truth = heart(spacing)
        name = f"{spacing}{'.nii.gz' if kind == 'nifti' else '.png'}"
        names.append(name)
        if kind == "nifti":
            affine = np.diag([spacing, spacing, 8, 1.0])
            nifti(tmp_path / name, np.flip(image).T[..., None], affine)
            nifti(tmp_path / "masks" / name, np.flip(mask).T[..., None], affine)
        else:
            Picture.fromarray((image * 255).astype(np.uint8)).save(tmp_path / name)
            Picture.fromarray(mask).save(tmp_path / "masks" / name)
    csv = rows(tmp_path, names, **({} if kind == "nifti" else {"mm": spacings}))
    spacing = None if kind == "nifti" else "mm"
    read = ci.read_table(Hearts, csv, masks=tmp_path / "masks", structures=("lv",), spacing=spacing)
    assert torch.allclose(read["lv_area"], truth, rtol=0.02)
    means = read["x"].mean((1, 2, 3))
    assert torch.allclose(means, means[:1], rtol=0.02)


def test_what_is_not_resized_is_not_blurred_and_what_is_beyond_is_the_least_value(tmp_path):
    pixels = np.random.default_rng(0).integers(20, 255, (9, 6)).astype(np.uint8)
    Picture.fromarray(pixels).save(tmp_path / "a.png")
    declared = graph(4, 8, spacing=(2.0, 2.0))
    read = ci.read_table(declared, rows(tmp_path, ["a.png"], mm=[2]), spacing="mm")["x"][0, 0]
    assert np.allclose(read[:, 1:7] * 255, pixels[2:6])
    assert np.allclose(read[:, [0, 7]] * 255, pixels.min())


@pytest.mark.parametrize("rounding", [1, 1.0000001, 0.9999999])
@pytest.mark.parametrize(("height", "start"), [(10, 3), (11, 3), (12, 4), (3, -1), (2, -1)])
def test_the_middle_begins_at_a_whole_pixel_whatever_a_header_rounds(rounding, height, start):
    seen = Seen(np.zeros((height, 4)), (rounding, 1.0))
    frame = Frame.of(seen, ci.Image(shape=(1, 4, 4), spacing=(1, 1)))
    assert frame.rows[0] * height == pytest.approx(start)
    assert frame.columns == (0, 1)


@pytest.mark.parametrize("fit", ["pad", "crop", "stretch"])
def test_sides_of_other_proportions_are_never_stretched_in_silence(tmp_path, fit):
    """A box of 80 mm2, in a picture of 50 x 36 pixels of 1 mm."""
    pixels = np.zeros((50, 36), np.uint8)
    pixels[20:30, 14:22] = 1
    (tmp_path / "masks").mkdir()
    for folder in (tmp_path, tmp_path / "masks"):
        Picture.fromarray(pixels).save(folder / "a.png")
    declared = ci.Graph.of(x=ci.Image(shape=(1, 64, 64)))
    how = {"masks": tmp_path / "masks", "structures": ("lv",), "spacing": "mm"}
    csv = rows(tmp_path, ["a.png"], mm=[1])
    with pytest.raises(ci.TableError, match="say fit='stretch', fit='pad' or fit='crop'"):
        ci.read_table(declared, csv, **how)
    if fit == "stretch":
        with pytest.raises(ci.TableError, match="its pixels are 0.781 x 0.562 mm, which no one number says"):
            ci.read_table(declared, csv, **how, fit=fit, pixel_size="mm")
        assert ci.read_table(declared, csv, **how, fit=fit).masks["lv"].float().mean() == pytest.approx(80 / 1800, 0.1)
        return
    read = ci.read_table(declared, csv, **how, fit=fit, pixel_size="mm")
    pixel = float(read.extra["mm"][0])
    assert pixel == pytest.approx({"pad": 50 / 64, "crop": 36 / 64}[fit])
    assert read.masks["lv"].sum() * pixel**2 == pytest.approx(80, rel=0.1)


def test_proportions_are_those_in_mm(tmp_path):
    """60 x 30 pixels of 1 x 2 mm are a square."""
    picture, square = Seen(np.zeros((60, 30)), (1.0, 2.0)), ci.Image(shape=(1, 8, 8))
    assert Frame.of(picture, square) == Frame()
    with pytest.raises(ValueError, match=r"60x30 pixels have other proportions"):
        Frame.of(Seen(np.zeros((60, 30))), square)
    assert Frame.of(Seen(np.zeros((60, 30))), ci.Image(shape=(1, 8, 8), spacing=(2, 1))) == Frame()
    assert Frame.of(Seen(np.zeros((8, 8))), ci.Image(shape=(1, 8, 8), spacing=(2, 1))) == Frame()


def test_a_model_reads_an_image_of_other_proportions_as_it_is_told(tmp_path):
    Picture.fromarray(np.full((4, 8), 51, np.uint8)).save(tmp_path / "a.png")
    model = ci.compile(graph(4, 4), x=ci.HVAE(widths=(4, 4), latents=(0, 2)))
    with pytest.raises(ValueError, match="x: 4x8 pixels have other proportions than the declared 4x4"):
        model.read_image(tmp_path / "a.png")
    assert model.read_image(tmp_path / "a.png", fit="crop").mean() == pytest.approx(0.2)
    with pytest.raises(ValueError, match="unknown fit 'padd'. Did you mean 'pad'?"):
        model.read_image(tmp_path / "a.png", fit="padd")


def test_a_structure_beyond_the_image_is_warned_of(tmp_path):
    labels = np.zeros((8, 8), np.uint8)
    labels[:, :4] = 1
    (tmp_path / "masks").mkdir()
    for folder in (tmp_path, tmp_path / "masks"):
        Picture.fromarray(labels).save(folder / "a.png")
    declared, how = graph(4, 4, spacing=(1, 1)), {"masks": tmp_path / "masks", "structures": ("lv",)}
    with pytest.warns(UserWarning, match=r"up to 75% of lv lies beyond the declared image \(lines 2\)"):
        ci.read_table(declared, rows(tmp_path, ["a.png"], mm=[1]), **how, spacing="mm")


class Zoomed(ci.Graph):
    pixel = ci.Continuous(unit="mm", bounds=(0, None))
    x = ci.Image(parents=[pixel], shape=(1, 4, 4))


def test_the_size_of_a_pixel_can_be_a_cause_of_the_image(tmp_path):
    nifti(tmp_path / "a.nii", np.zeros((8, 8, 1), np.uint8), np.diag([0.5, 0.5, 3, 1]))
    nifti(tmp_path / "b.nii", np.zeros((4, 4, 1), np.uint8), np.diag([0.7, 0.7, 3, 1]))
    read = ci.read_table(Zoomed, rows(tmp_path, ["a.nii", "b.nii"]), pixel_size="pixel")
    assert read["pixel"].tolist() == pytest.approx([1.0, 0.7])
    assert read.filled == {"pixel": "files"}
    Picture.fromarray(np.zeros((8, 8), np.uint8)).save(tmp_path / "c.png")
    read = ci.read_table(Zoomed, rows(tmp_path, ["c.png"], pixel=[0.2]), spacing="pixel", pixel_size="pixel")
    assert read["pixel"].tolist() == pytest.approx([0.4])


@pytest.mark.parametrize(("unit", "in_mm"), [("mm", 1), ("unknown", 1), ("meter", 1000), ("micron", 0.001)])
def test_the_unit_of_a_nifti_header_counts(tmp_path, unit, in_mm):
    image = nibabel.Nifti1Image(np.zeros((4, 4, 1), np.uint8), np.diag([3, 3, 3, 1.0]))
    image.header.set_xyzt_units(unit)
    nibabel.save(image, tmp_path / "a.nii")
    read = ci.read_table(Zoomed, rows(tmp_path, ["a.nii"]), pixel_size="pixel")
    assert read["pixel"].item() == pytest.approx(3 * in_mm)


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ({"pixel_size": "pixel"}, "the size of its pixels isn't known: spacing='...' names a column that has it"),
        ({"pixel_size": "pixel", "spacing": "mmm"}, "spacing: unknown column 'mmm'. Did you mean 'mm'?"),
        ({"pixel_size": "pixel", "spacing": "mm"}, "mm: 0 is not a number in [1e-06, inf) mm (line 2)"),
        ({"pixel_size": "mm"}, "pixel_size: the file has a column 'mm' already"),
    ],
)
def test_sizes_of_pixels_that_are_not_known_are_problems(tmp_path, how, said):
    Picture.fromarray(np.zeros((4, 4), np.uint8)).save(tmp_path / "a.png")
    with pytest.raises(ci.TableError) as caught:
        ci.read_table(graph(4, 4) if how["pixel_size"] == "mm" else Zoomed, rows(tmp_path, ["a.png"], mm=[0]), **how)
    assert said in str(caught.value)


def test_pixels_of_two_sizes_are_refused(tmp_path):
    nifti(tmp_path / "a.nii", np.zeros((8, 8, 1), np.uint8))
    csv = rows(tmp_path, ["a.nii"], mm=[2])
    with pytest.raises(ci.TableError, match="its header says pixels of 1 x 1 mm, the table says 2"):
        ci.read_table(graph(8, 8), csv, spacing="mm")
    with pytest.raises(ValueError, match=r"pixel_size='one': x declares spacing=\(1.0, 1.0\), to which"):
        ci.read_table(graph(8, 8, spacing=(1, 1)), csv, pixel_size="one")


@pytest.mark.skipif(not HC18.is_dir(), reason="the fetal heads of hc18 are not here")
def test_fetal_heads_have_the_area_of_the_sonographers_outline(tmp_path):
    """The size of a pixel of 64 is twice that of the file's 128, and areas are those of full resolution."""

    class Head(ci.Graph):
        pixel_mm = ci.Continuous(unit="mm", bounds=(0.01, None))
        head = ci.Continuous(unit="fraction", bounds=(0, 1), measured=ci.Area("head"))
        x = ci.Image(parents=[pixel_mm, head], shape=(1, 64, 64))

    scans = np.load(HC18 / "hc18_128.npz")
    np.savez(tmp_path / "few.npz", images=scans["images"][:30], labels=scans["labels"][:30])
    lines = (HC18 / "metadata.csv").read_text().splitlines()[:31]
    (tmp_path / "few.csv").write_text("\n".join(lines))
    how = {"masks": tmp_path / "few.npz", "structures": ("head",), "spacing": "pixel_mm", "pixel_size": "pixel_mm"}
    read = ci.read_table(Head, tmp_path / "few.csv", tmp_path / "few.npz", **how)
    said = torch.tensor([float(one) for one in read.extra["head_area_mm2"]])
    assert torch.allclose(read.masks["head"].sum((1, 2)) * read["pixel_mm"] ** 2, said, rtol=0.02)
    head = ci.Continuous(unit="mm2", bounds=(0, None), measured=ci.Area("head"))
    declared = ci.Graph.of(head=head, x=ci.Image(parents=["head"], shape=(1, 128, 128), spacing=(1.8, 1.8)))
    resampled = ci.read_table(declared, tmp_path / "few.csv", tmp_path / "few.npz", **how | {"pixel_size": None})
    assert torch.allclose(resampled["head"], said, rtol=0.05)


# files that are none, limits and privacy


@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz", "a.dcm"])
@pytest.mark.parametrize("text", [b"", b"no image", b"\x1f\x8b\x08\x00broken", b"\0" * 128 + b"DICM" + b"\1" * 40])
def test_what_is_no_such_file_is_one_line(tmp_path, name, text):
    (tmp_path / name).write_bytes(text)
    said = wrong(tmp_path, [name]).splitlines()
    assert len(said) == 2
    assert said[1].startswith(f"  images: can't read '{name}': ")
    assert said[1].endswith("(line 2)")


@pytest.mark.parametrize("name", ["a.nii", "a.dcm"])
@pytest.mark.parametrize("seed", range(4))
def test_whatever_bytes_are_changed_a_file_is_read_or_refused_in_one_line(tmp_path, name, seed):
    nifti(tmp_path / name, phantom()) if name == "a.nii" else dicom(tmp_path / name, phantom()[:, :, 0].T)
    draw, whole = np.random.default_rng(seed), (tmp_path / name).read_bytes()
    for _ in range(50):
        broken = bytearray(whole)
        for at in draw.integers(0 if name == "a.nii" else 128, 340 if name == "a.nii" else len(whole), 3):
            broken[at] = draw.integers(256)
        (tmp_path / name).write_bytes(broken)
        with suppress(OSError, ValueError):
            assert open_picture(tmp_path / name).shape


def test_a_file_that_is_cut_short_is_one_line(tmp_path):
    rng = np.random.default_rng(0)
    nifti(tmp_path / "a.nii.gz", rng.integers(0, 1000, (40, 40, 1)).astype(np.int16))
    dicom(tmp_path / "b.dcm", phantom()[:, :, 0].T)
    for name in ("a.nii.gz", "b.dcm"):
        whole = (tmp_path / name).read_bytes()
        (tmp_path / name).write_bytes(whole[: len(whole) - 30])
        assert f"images: can't read '{name}': " in wrong(tmp_path, [name], of=graph(40, 40))


@pytest.mark.parametrize("kind", ["nifti", "dicom"])
def test_limits_are_those_of_the_header(tmp_path, kind):
    if kind == "nifti":
        nifti(tmp_path / "a.nii", phantom())
        name, header = "a.nii", nibabel.load(tmp_path / "a.nii").header
        header["dim"][1:4] = 30000, 30000, 3000
        (tmp_path / "a.nii").write_bytes(header.binaryblock + b"\0" * 100)
    else:
        dicom(tmp_path / "a.dcm", phantom()[:, :, 0].T)
        file = pydicom.dcmread(tmp_path / "a.dcm")
        file.Rows = file.Columns = 30000
        file.save_as(tmp_path / "a.dcm")
        name = "a.dcm"
    assert (
        f"can't read '{name}': 900000000 pixels, expected at most 33554432: limits=Limits(pixels=900000000)"
        in wrong(tmp_path, [name], slices=ci.Slices())
    )


def test_a_volume_beyond_the_bytes_is_refused(tmp_path):
    nifti(tmp_path / "a.nii", phantom())
    said = wrong(tmp_path, ["a.nii"], slices=ci.Slices(at=0), limits=ci.Limits(bytes=200))
    assert "can't read 'a.nii': 240 bytes, expected at most 200" in said


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"NumberOfFrames": 3}, "has 3 frames"),
        ({"PhotometricInterpretation": "PALETTE COLOR"}, "unknown colours of a DICOM file 'PALETTE COLOR'"),
        ({"BitsStored": None}, "holds no image: it has no BitsStored"),
        ({"PixelSpacing": None}, "2 of 4 files have no PixelSpacing"),
        ({"SeriesInstanceUID": "1.2.4"}, "it holds 2 series: give each a folder of its own"),
        ({"ImagePositionPatient": [0.0, 0.0, 0.0]}, "two of its slices lie at one place"),
        ({"ImageOrientationPatient": [0.0, 1.0, 0.0, 1.0, 0.0, 0.0]}, "its files differ in ImageOrientationPatient"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_a_series_that_does_not_belong_together_is_refused(tmp_path, change, said):
    series(tmp_path / "scan", phantom())
    for i in (1, 2):
        file = pydicom.dcmread(tmp_path / f"scan/{i}.dcm")
        for name, value in change.items():
            delattr(file, name) if value is None else setattr(file, name, value)
        file.save_as(tmp_path / f"scan/{i}.dcm")
    assert said in wrong(tmp_path, ["scan"], slices=ci.Slices())


def test_a_missing_slice_is_seen(tmp_path):
    series(tmp_path / "scan", phantom())
    (tmp_path / "scan/1.dcm").unlink()
    assert "its slices are 1 to 2 mm apart: one may be missing" in wrong(tmp_path, ["scan"], slices=ci.Slices())


def test_several_times_are_refused(tmp_path):
    nifti(tmp_path / "a.nii", np.zeros((4, 4, 4, 2), np.uint8))
    assert "its shape is (4, 4, 4, 2), expected one volume of three axes" in wrong(tmp_path, ["a.nii"])


def test_fields_of_a_header_are_columns_only_where_they_are_asked_for(tmp_path):
    dicom(tmp_path / "a.dcm", phantom()[:, :, 0].T)
    assert set(table(tmp_path, ["a.dcm"]).extra) == {"file", "slice"}
    read = table(tmp_path, ["a.dcm"], fields=("PatientSex", "StudyDate", "PatientAge"))
    assert (read.extra["PatientSex"], read.extra["StudyDate"], read.extra["PatientAge"]) == (["F"], ["20200131"], [""])
    with pytest.raises(ValueError, match="unknown DICOM field 'PatientSx'. Did you mean 'PatientSex'?"):
        table(tmp_path, ["a.dcm"], fields=("PatientSx",))
    with pytest.raises(ValueError, match="PixelData is no text"):
        table(tmp_path, ["a.dcm"], fields=("PixelData",))
    nifti(tmp_path / "a.nii", phantom())
    assert "are those of DICOM files, and it is none" in wrong(tmp_path, ["a.nii"], fields=("PatientSex",))


def test_a_column_that_is_there_is_not_written_over(tmp_path):
    nifti(tmp_path / "a.nii", phantom())
    csv = rows(tmp_path, ["a.nii"], slice=["7"])
    with pytest.raises(ci.TableError, match="the file has a column 'slice' already"):
        ci.read_table(graph(), csv, normalise=ci.Window(300, 600), slices=ci.Slices())


def test_a_series_may_not_lead_out_of_its_folder(tmp_path):
    (tmp_path / "in").mkdir()
    series(tmp_path / "scan", phantom())
    (tmp_path / "in/scan").symlink_to(tmp_path / "scan")
    csv = rows(tmp_path / "in", ["scan"])
    with pytest.raises(ci.TableError, match="'scan' is outside of"):
        ci.read_table(graph(), csv, normalise=ci.Window(300, 600), slices=ci.Slices())


@pytest.mark.parametrize("name", ["a.nii", "a.dcm"])
def test_a_package_that_is_missing_is_named_with_how_to_install_it(tmp_path, monkeypatch, name):
    (tmp_path / name).write_bytes(b"")
    monkeypatch.setitem(sys.modules, "nibabel" if name == "a.nii" else "pydicom", None)
    with pytest.raises(ImportError, match=r'pip install "causalimg\[medical\]"'):
        table(tmp_path, [name])


def test_sizes_that_no_header_says_are_not_guessed(tmp_path):
    nifti(tmp_path / "a.nii", phantom())
    whole = (tmp_path / "a.nii").read_bytes()
    header = nibabel.Nifti1Header(whole[:348])
    header["sform_code"] = header["qform_code"] = 0
    (tmp_path / "a.nii").write_bytes(header.binaryblock + whole[348:])
    assert len(table(tmp_path, ["a.nii"], slices=ci.Slices())) == 4
    header["pixdim"][2] = 0
    (tmp_path / "a.nii").write_bytes(header.binaryblock + whole[348:])
    assert "doesn't say how large its voxels are (line 2)" in wrong(tmp_path, ["a.nii"], slices=ci.Slices())


def test_a_slope_of_0_is_refused(tmp_path):
    dicom(tmp_path / "a.dcm", phantom()[:, :, 0].T, RescaleSlope=0, RescaleIntercept=300)
    assert "a.dcm has a RescaleSlope of 0" in wrong(tmp_path, ["a.dcm"])


def test_what_is_wrong_with_every_slice_is_said_once(tmp_path):
    nifti(tmp_path / "a.nii", phantom())
    said = wrong(tmp_path, ["a.nii"], slices=ci.Slices(), normalise=None)
    assert said.endswith("pixels are int16, expected uint8, uint16 or floats; or say normalise=Percentile() (line 2)")


def test_the_compressed_file_of_a_name_is_the_nearest(tmp_path):
    nifti(tmp_path / "a.nii.gz", phantom())
    assert "no file 'a.nii'" in (said := wrong(tmp_path, ["a.nii"]))
    assert "Did you mean 'a.nii.gz'?" in said


def test_a_model_asks_for_one_slice(tmp_path):
    nifti(tmp_path / "a.nii", phantom())
    model = ci.compile(graph(4, 8), x=ci.HVAE(widths=(4, 4), latents=(0, 2)))
    with pytest.raises(ValueError, match=r"x: a\.nii holds 6 x 5 x 4 voxels: .*at=\.\.\..*--slices"):
        model.read_image(tmp_path / "a.nii")
