"""A folder of JSON and tensors: what was written is read, and nothing is read as what it is not."""

import json

import pytest
import torch

from causalimg import storage

SPEC, TENSORS = {"kind": "Blur", "sides": [1, 2]}, {"weight": torch.arange(3.0)}


@pytest.fixture
def folder(tmp_path):
    storage.write(tmp_path / "new" / "model", SPEC, TENSORS)
    return tmp_path / "new" / "model"


def change(folder, **entries):
    spec = json.loads((folder / storage.SPEC).read_text()) | entries
    (folder / storage.SPEC).write_text(json.dumps({name: value for name, value in spec.items() if value is not None}))


def test_what_was_written_is_read(folder):
    spec, tensors = storage.read(folder)
    assert spec == SPEC
    assert list(tensors) == ["weight"]
    assert torch.equal(tensors["weight"], TENSORS["weight"])
    assert json.loads((folder / storage.SPEC).read_text())["format"] == storage.FORMAT


@pytest.mark.parametrize("version", [1, 3, "2", 0])
def test_another_format_is_refused_with_its_version_and_ours(folder, version):
    change(folder, format=version)
    with pytest.raises(ValueError, match=rf"model: spec.json is of format {version!r}; this .* reads format 2$"):
        storage.read(folder)


def test_a_folder_without_a_version_is_refused(folder):
    change(folder, format=None)
    with pytest.raises(ValueError, match=r"model: spec.json says no version of its format; this .* reads format 2$"):
        storage.read(folder)
    (folder / storage.SPEC).write_text("[1]")
    with pytest.raises(ValueError, match="says no version of its format"):
        storage.read(folder)


@pytest.mark.parametrize("name", [storage.SPEC, storage.TENSORS])
def test_a_missing_file_is_named(folder, name):
    (folder / name).unlink()
    with pytest.raises(FileNotFoundError, match=f"holds no {name}"):
        storage.read(folder)


def test_a_spec_has_no_format_of_its_own(tmp_path):
    with pytest.raises(ValueError, match="'format' is the version"):
        storage.write(tmp_path, {"format": "png"}, TENSORS)
    assert not list(tmp_path.iterdir())


def test_where_the_tensors_cannot_be_written_no_spec_says_that_the_folder_is_whole(tmp_path):
    shared = torch.zeros(3)
    with pytest.raises(RuntimeError, match="share memory"):
        storage.write(tmp_path, SPEC, {"a": shared, "b": shared})
    assert not (tmp_path / storage.SPEC).exists()
