"""Answers go back to files: with what was asked and measured, where the image was, and with nothing of the patient."""

import csv
import json
import re
from pathlib import Path

import nibabel
import numpy as np
import pydicom
import pytest
import torch
from PIL import Image as Picture
from strategies import as_if_fitted
from test_medical import dicom, nifti, phantom, rows, series

import causalimg as ci
from causalimg.counterfactual import Counterfactual

GRAPH = ci.Graph.of(
    age=ci.Continuous(unit="year", bounds=(0, None)),
    sex=ci.Categorical(levels=("female", "male")),
    lv=ci.Continuous(parents=["age"], unit="fraction", bounds=(0, 1), measured=ci.Area("lv")),
    x=ci.Image(parents=["lv", "sex"], shape=(1, 8, 8)),
)
HVAE = ci.HVAE(widths=(4, 4), latents=(0, 2))


@pytest.fixture(scope="module")
def answer():
    model = as_if_fitted(ci.compile(GRAPH, ci.Segmentor.unet(("lv",), width=4), x=HVAE))
    return model.do(known(), lv=torch.tensor([0.2, 0.4, 0.6]), sex="male")


def known(n=3):
    image = torch.rand(n, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    return {"age": torch.arange(n) + 50.0, "sex": torch.arange(n) % 2, "lv": torch.full((n,), 0.3), "x": image}


def table_of(folder):
    with (folder / "answers.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_pictures_and_a_table_are_written(answer, tmp_path):
    answer.save(tmp_path / "out")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        *(f"000{i}.png" for i in range(3)),
        "answers.csv",
        "answers.json",
    ]
    for i, row in enumerate(table_of(tmp_path / "out")):
        assert row["file"] == f"000{i}.png"
        assert (row["factual sex"], row["sex"], row["asked sex"]) == (("female", "male")[i % 2], "male", "male")
        assert float(row["asked lv"]) == float(row["lv"]) == answer["lv"][i].item()
        assert float(row["factual lv"]) == answer.factual["lv"][i].item()
        assert float(row["measured lv"]) == answer.measured["lv"][i].item()
        assert float(row["factual age"]) == 50 + i
        assert "asked age" not in row
        pixels = np.asarray(Picture.open(tmp_path / f"out/000{i}.png"))
        assert (pixels == (answer["x"][i, 0] * 255).round().numpy()).all()


@pytest.mark.parametrize("kind", ["png", "npz", "nifti", "dicom"])
def test_what_is_written_is_read_again_as_a_table(answer, tmp_path, kind):
    answer.save(tmp_path, kind)
    images = tmp_path / "x.npz" if kind == "npz" else None
    columns = {"lv": "lv"}
    read = ci.read_table(GRAPH, tmp_path / "answers.csv", images, columns=columns)
    assert torch.equal(read["lv"], answer["lv"])
    assert torch.equal(read["sex"], answer["sex"])
    assert torch.allclose(read["x"], answer["x"], atol={"png": 0.5 / 255, "dicom": 1e-5}.get(kind, 0))


def test_support_is_written_where_it_is_known(answer, tmp_path):
    answer.save(tmp_path / "without")
    assert answer.support is None
    assert "support" not in table_of(tmp_path / "without")[0]
    model = as_if_fitted(ci.compile(GRAPH, x=HVAE))
    model.supports = ci.model.supports_of(GRAPH, {**known(40), "lv": torch.rand(40)})
    cf = model.do(known(), lv=0.5, support="allow")
    cf.save(tmp_path / "with")
    assert [float(row["support"]) for row in table_of(tmp_path / "with")] == pytest.approx(cf.support.tolist())


def test_one_item_without_a_batch_is_one_row(tmp_path):
    model = as_if_fitted(ci.compile(GRAPH, x=HVAE))
    one = {name: value[0] for name, value in known().items()}
    model.do(one, lv=0.5).save(tmp_path)
    assert len(table_of(tmp_path)) == 1
    assert (tmp_path / "0000.png").is_file()


# manners


def test_an_earlier_answer_is_written_over_and_what_it_left_is_gone(answer, tmp_path):
    answer.save(tmp_path)
    (tmp_path / "notes.txt").write_text("mine")
    answer.save(tmp_path, "npz")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["answers.csv", "answers.json", "notes.txt", "x.npz"]


@pytest.mark.parametrize(
    ("name", "before"),
    [("0001.png", True), ("answers.csv", True), ("0001.png", False), ("answers.csv", False), ("answers.json", False)],
)
def test_what_somebody_else_wrote_is_not_written_over(answer, tmp_path, name, before):
    if before:
        answer.save(tmp_path)
    (tmp_path / name).write_text("theirs")
    left = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(FileExistsError, match=f"{name} is not as causalimg left it"):
        answer.save(tmp_path)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == left


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ({"kind": "dicm"}, "unknown kind of file 'dicm'. Did you mean 'dicom'?"),
        ({"slices": ci.Slices(at=1)}, "are those of a file: say like="),
        ({"fields": ("PatientID",)}, "are those of a file: say like="),
        ({"like": ["a.nii", "b.nii"]}, "like: expected one, or one for each of 3 rows, got 2"),
    ],
)
def test_what_can_not_be_written_is_said(answer, tmp_path, how, said):
    with pytest.raises(ValueError, match=re.escape(said)):
        answer.save(tmp_path / "out", **how)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("kind", "channels", "bounds", "said"),
    [
        ("png", 1, (None, None), "without bounds"),
        ("dicom", 1, (None, None), "without bounds"),
        ("png", 2, (0, 1), "2 channels"),
        ("nifti", 3, (0, 1), "3 channels"),
        ("dicom", 3, (0, 1), "3 channels"),
    ],
)
def test_images_that_a_format_does_not_hold_are_refused(tmp_path, kind, channels, bounds, said):
    graph = ci.Graph.of(a=ci.Continuous(), x=ci.Image(parents=["a"], shape=(channels, 8, 8), bounds=bounds))
    world = {"a": torch.zeros(1), "x": torch.rand(1, channels, 8, 8)}
    cf = Counterfactual(graph, world, {"a": torch.zeros(1)}, world, lambda _: {}, lambda *_: {})
    with pytest.raises(ValueError, match=f"{said}.*say kind='npz'"):
        cf.save(tmp_path, kind)
    assert not list(tmp_path.iterdir())
    cf.save(tmp_path, "npz")
    assert np.load(tmp_path / "x.npz")["images"].shape == ((1, 8, 8) if channels == 1 else (1, 8, 8, channels))


def test_colours_are_written_as_colours(tmp_path):
    graph = ci.Graph.of(a=ci.Continuous(), x=ci.Image(parents=["a"], shape=(3, 8, 8)), y=ci.Image(shape=(1, 8, 8)))
    world = {"a": torch.zeros(1), "x": torch.rand(1, 3, 8, 8), "y": torch.rand(1, 1, 8, 8)}
    Counterfactual(graph, world, {"a": torch.zeros(1)}, world, lambda _: {}, lambda *_: {}).save(tmp_path)
    said = {"x file": "0000_x.png", "y file": "0000_y.png", "a": "0.0", "factual a": "0.0", "asked a": "0.0"}
    assert table_of(tmp_path) == [said]
    assert np.asarray(Picture.open(tmp_path / "0000_x.png")).shape == (8, 8, 3)


# where the image was


def blob(size, spacing, centre):
    """A volume with a blob about `centre` in mm, (right, front, head), and its affine."""
    affine = np.diag([*spacing, 1.0])
    affine[:3, 3] = (-20, 10, 5)
    at = np.stack(np.meshgrid(*map(np.arange, size), indexing="ij"), -1) * spacing + affine[:3, 3]
    return np.exp(-((at - centre) ** 2).sum(-1) / 18).astype(np.float32), affine


def centre_of(path):
    """Of the grey in a NIfTI or DICOM file, in mm, (right, front, head)."""
    if path.suffix == ".dcm":
        file = pydicom.dcmread(path)
        lies, grey = np.array(file.ImageOrientationPatient, float), file.pixel_array.astype(float).T
        affine = np.eye(4)
        affine[:3, 0], affine[:3, 1] = lies[:3] * file.PixelSpacing[1], lies[3:] * file.PixelSpacing[0]
        affine[:3, 3] = file.ImagePositionPatient
        affine = np.diag([-1, -1, 1, 1]) @ affine
    else:
        image = nibabel.load(path)
        grey, affine = image.get_fdata()[..., 0], image.affine
    at = np.stack([*np.meshgrid(*map(np.arange, grey.shape), indexing="ij")], -1)
    middle = (at * (grey / grey.sum())[..., None]).sum((0, 1))
    return (affine @ [*middle, 0, 1])[:3]


@pytest.mark.parametrize("kind", ["nifti", "dicom"])
@pytest.mark.parametrize(("axis", "at"), [("axial", 4), ("coronal", 10), ("sagittal", 12)])
@pytest.mark.parametrize("fit", ["pad", "crop"])
def test_an_answer_lies_where_the_image_was(tmp_path, axis, at, kind, fit):
    """The factual image, written as an answer: a model that changes nothing."""
    where = np.array([-20 + 12 * 1.0, 10 + 10 * 1.5, 5 + 4 * 3.0])
    voxels, affine = blob((24, 20, 9), (1.0, 1.5, 3.0), where)
    mirrored = np.diag([-1.0, 1, 1, 1])
    mirrored[0, 3] = 23
    nifti(tmp_path / "a.nii.gz", np.ascontiguousarray(voxels[::-1]), affine @ mirrored)
    graph = ci.Graph.of(a=ci.Continuous(), x=ci.Image(parents=["a"], shape=(1, 32, 32)))
    slices = ci.Slices(axis=axis, at=at)
    model = as_if_fitted(ci.compile(graph, x=HVAE))
    image = model.read_image(tmp_path / "a.nii.gz", slices=slices, fit=fit)
    model.do({"a": 0.0, "x": image}).save(tmp_path / "out", kind, like=tmp_path / "a.nii.gz", slices=slices, fit=fit)
    found = centre_of(tmp_path / "out" / f"0000{'.nii.gz' if kind == 'nifti' else '.dcm'}")
    assert np.allclose(found, where, atol=0.3)


def test_a_dicom_answer_lies_where_its_series_does(answer, tmp_path):
    series(tmp_path / "scan", np.kron(phantom(), np.ones((4, 4, 1))).astype(np.int16))
    slices = [ci.Slices(at=i) for i in (0, 1, 3)]
    answer.save(tmp_path / "out", "dicom", like=tmp_path / "scan", slices=slices, fit="crop")
    made = [pydicom.dcmread(tmp_path / f"out/000{i}.dcm") for i in range(3)]
    assert [float(one.ImagePositionPatient[2]) for one in made] == [0, 1, 3]
    assert made[0].ImageOrientationPatient == [1, 0, 0, 0, 1, 0]


# what is said of the patient


def test_a_dicom_answer_is_marked_and_says_nothing_of_the_patient(answer, tmp_path):
    dicom(tmp_path / "a.dcm", np.zeros((16, 16), np.uint16), PatientBirthDate="19700101", StudyInstanceUID="1.2.99")
    answer.save(tmp_path / "out", "dicom", like=tmp_path / "a.dcm")
    made = [pydicom.dcmread(tmp_path / f"out/000{i}.dcm") for i in range(3)]
    for one in made:
        assert one.ImageType == ["DERIVED", "SECONDARY"]
        assert (one.BurnedInAnnotation, one.SeriesDescription) == ("NO", "causalimg counterfactual")
        assert one.ConversionType == "SYN"
        assert one.DerivationDescription.startswith("causalimg counterfactual: do(lv = 0.")
        assert (one.PatientName, one.PatientID, one.PatientBirthDate, one.StudyDate) == ("", "", "", "")
    assert len({one.SOPInstanceUID for one in made}) == 3
    assert len({one.SeriesInstanceUID for one in made}) == len({one.StudyInstanceUID for one in made}) == 1
    assert made[0].PixelSpacing == [2, 2]
    whole = b"".join(path.read_bytes() for path in (tmp_path / "out").iterdir())
    for secret in (b"Doe", b"Jane", b"MRN-4711", b"19700101", b"20200131", b"1.2.99", b"1.2.3\0"):
        assert secret not in whole


def test_fields_are_copied_on_request(answer, tmp_path):
    dicom(tmp_path / "a.dcm", np.zeros((16, 16), np.uint16))
    answer.save(tmp_path / "out", "dicom", like=tmp_path / "a.dcm", fields=("PatientID", "PatientSex"))
    made = pydicom.dcmread(tmp_path / "out/0000.dcm")
    assert (made.PatientID, made.PatientSex, made.PatientName) == ("MRN-4711", "F", "")
    with pytest.raises(ValueError, match="SeriesInstanceUID is the answer's own"):
        answer.save(tmp_path / "out", "dicom", like=tmp_path / "a.dcm", fields=("SeriesInstanceUID",))
    nifti(tmp_path / "a.nii", np.zeros((8, 8, 1), np.uint8))
    with pytest.raises(ValueError, match="are those of DICOM files, and .*a.nii is none"):
        answer.save(tmp_path / "out", "dicom", like=tmp_path / "a.nii", fields=("PatientID",))


@pytest.mark.filterwarnings("ignore:the image hardly follows:UserWarning")
@pytest.mark.parametrize("kind", ["png", "npz", "nifti", "dicom"])
def test_models_and_answers_know_nothing_of_the_patient(tmp_path, kind):
    for i in range(4):
        dicom(tmp_path / f"{i}.dcm", np.random.default_rng(i).integers(0, 4096, (8, 8)).astype(np.uint16), stored=12)
    graph = ci.Graph.of(a=ci.Continuous(), x=ci.Image(parents=["a"], shape=(1, 8, 8)))
    csv_file = rows(tmp_path, [f"{i}.dcm" for i in range(4)], a=range(4))
    read = ci.read_table(graph, csv_file, fields=("PatientName", "PatientID"))
    assert read.extra["PatientName"] == ["Doe^Jane"] * 4
    model = ci.compile(graph, x=HVAE)
    model.fit(read, a=ci.Recipe(steps=1, batch=2), x=ci.Recipe(steps=1, batch=2))
    model.save(tmp_path / "model")
    model.do(read, a=2.0).save(tmp_path / "out", kind)
    files = [*(tmp_path / "model").rglob("*"), *(tmp_path / "out").rglob("*")]
    whole = b"".join(path.read_bytes() for path in files if Path(path).is_file())
    assert len(whole) > 1000
    for secret in (b"Doe", b"Jane", b"MRN-4711", b"20200131"):
        assert secret not in whole


@pytest.mark.parametrize("kind", ["png", "npz", "nifti", "dicom"])
def test_a_file_to_lie_like_that_is_none_is_refused_whatever_the_kind(answer, tmp_path, kind):
    for like, error in ((3, TypeError), ([tmp_path / "a.nii"] * 2, ValueError)):
        with pytest.raises(error, match="like"):
            answer.save(tmp_path / "out", kind, like=like)
    assert not (tmp_path / "out").exists()


def test_the_folder_says_which_files_are_its_own(answer, tmp_path):
    answer.save(tmp_path)
    said = json.loads((tmp_path / "answers.json").read_text())
    assert set(said["files"]) == {"0000.png", "0001.png", "0002.png", "answers.csv"}
