"""Files that were changed at random, or made up: what reads them raises an error that names the file, and nothing runs.

`make fuzz` tries more, and longer: EXAMPLES says how many. What was once found stands here as an `@example`.
"""

import io
import json
import os
import shutil
import zipfile
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
import torch
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from strategies import as_if_fitted
from test_model import Disc, Threshold, discs
from test_storage import forge

import causalimg as ci
from causalimg import storage
from causalimg.data.images import open_picture
from causalimg.graph import Graph

EXAMPLES = int(os.environ.get("EXAMPLES", "15"))
fuzz = settings(
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.filter_too_much],
)

CSV = b"file,patient,age,sex,area\na.png,p1,53,female,60\nb.png,p2,61.5,male,70\n"


class Ran:
    """What makes a file when it is unpickled."""

    def __reduce__(self):
        return Path.touch, (Path("ran"),)


def check_text(error, names=("",)):
    text = str(error)
    assert text
    assert len(text) < 3000, text
    assert any(name in text for name in names), f"{type(error).__name__} names no file: {text}"


@contextmanager
def refused(path, *others):
    """What is raised in here is an error that says what is wrong with a file, by its name."""
    names = [Path(path).name, *others]
    try:
        yield
    except (ValueError, TypeError, OSError) as error:
        check_text(error, names)
    assert not Path("ran").exists()


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """A model, an ensemble and a segmentor on disk."""
    folder = tmp_path_factory.mktemp("saved")
    model = ci.compile(Disc, Threshold(), x=ci.HVAE(widths=(4, 4), latents=(0, 2), embedding=4))
    as_if_fitted(model).save(folder / "model")
    ci.Ensemble([model]).save(folder / "ensemble")
    ci.Segmentor.unet(("disc",), width=2).save(folder / "segmentor")
    return folder


@pytest.fixture
def again(saved, tmp_path, monkeypatch):
    """A function that copies one of these anew."""
    monkeypatch.chdir(tmp_path)

    def copied(name):
        shutil.rmtree(tmp_path / name, ignore_errors=True)
        shutil.copytree(saved / name, tmp_path / name)
        return tmp_path / name

    return copied


LOADERS = {
    "model": lambda folder: ci.CausalModel.load(folder, Threshold()),
    "ensemble": lambda folder: ci.Ensemble.load(folder, Threshold()),
    "segmentor": ci.Segmentor.load,
}


@st.composite
def changes(draw):
    """Where bytes are changed, as shares of a file; what is put there; and how much is left of it."""
    spots = draw(st.lists(st.tuples(st.floats(0, 1), st.binary(max_size=6)), max_size=4))
    return spots, draw(st.sampled_from([1.0, 1.0, 0.99, 0.5, 0.1, 0.0]))


def changed(data, change):
    """`data`, changed so."""
    spots, share = change
    for place, put in spots:
        at = int(place * len(data))
        data = data[:at] + put + data[at + len(put) :]
    return data[: int(share * len(data))]


values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=8,
)


@fuzz
@given(st.sampled_from(sorted(LOADERS)), changes())
@example("model", ([(0.0, b"[" * 100_000)], 1.0))
@example("segmentor", ([], 0.0))
def test_a_spec_with_other_bytes(again, name, change):
    folder = again(name)
    path = folder / storage.SPEC
    path.write_bytes(changed(path.read_bytes(), change))
    with refused(folder, "spec.json"):
        LOADERS[name](folder)


@fuzz
@given(st.sampled_from(sorted(LOADERS)), changes())
def test_tensors_with_other_bytes(again, name, change):
    folder = again(name)
    path = next(folder.rglob("*.safetensors"))
    path.write_bytes(changed(path.read_bytes(), change))
    with refused(folder, path.name):
        LOADERS[name](folder)


@fuzz
@given(st.sampled_from(sorted(LOADERS)), st.data())
def test_a_spec_that_was_forged_with_its_digest(again, name, data):
    folder = again(name)
    entries = [key for key in json.loads((folder / storage.SPEC).read_text()) if key not in storage.OWN]
    forge(folder, **{data.draw(st.sampled_from(entries)): json.loads(json.dumps(data.draw(values), allow_nan=True))})
    with refused(folder, "spec.json"):
        LOADERS[name](folder)


@fuzz
@given(st.binary(max_size=200))
@example(b"\x80\x04cposix\nsystem\n.")
def test_tensors_that_were_forged_with_their_digest(again, made_up):
    folder = again("model")
    path = folder / "0.safetensors"
    path.write_bytes(made_up)
    forge(folder, tensors=path.rename(folder / f"{storage.digest_of_file(path)}.safetensors").name)
    with refused(folder):
        LOADERS["model"](folder)


YAML = Disc().to_yaml().encode()


@fuzz
@given(changes() | st.binary(max_size=60))
@example(b"!!python/object/apply:os.system ['touch ran']")
@example(b"{a: " * 3000)
@example(b"a: &a [x]\nb: &b [*a, *a]\nvariables: *b\n")
def test_a_graph_in_a_file_of_yaml(again, change):
    path = Path("graph.yaml")
    path.write_bytes(change if isinstance(change, bytes) else changed(YAML, change))
    with refused(path):
        Graph.from_yaml(path)


@fuzz
@given(values)
@example({"variables": {"a": {"kind": ["Continuous"]}}})
@example({"variables": {"a": {"kind": {"a": "b"}}}})
def test_a_graph_from_data(again, data):
    try:
        Graph.from_data(data)
    except (ValueError, TypeError) as error:
        check_text(error)


@fuzz
@given(
    st.sampled_from(["title", "variables", "kind", "parents", "levels", "bounds", "shape", "measured", "unit"]), values
)
def test_a_graph_with_other_entries(again, key, value):
    def replaced(data):
        if isinstance(data, dict):
            return {name: value if name == key else replaced(part) for name, part in data.items()}
        return data

    try:
        Graph.from_data(replaced(Disc().to_data()))
    except (ValueError, TypeError) as error:
        check_text(error)


def pictures():
    for name in "ab":
        PIL.Image.new("L", (16, 16), 51).save(f"{name}.png")


@fuzz
@given(changes() | st.binary(max_size=80) | st.text(max_size=80).map(str.encode))
@example(CSV + b"\x00")
@example(b"\xef\xbb\xbf")
@example(CSV.replace(b"53", b"5_3"))
def test_a_table(again, change):
    pictures()
    path = Path("heart.csv")
    path.write_bytes(change if isinstance(change, bytes) else changed(CSV, change))
    with refused(path):
        table = ci.read_table(Disc, path)
        assert torch.isfinite(table["age"]).all()


def bytes_of(kind):
    """A small picture."""
    file = io.BytesIO()
    pixels = (np.arange(256) % 251).astype(np.uint8).reshape(16, 16)
    np.savez(file, pixels) if kind == "npz" else PIL.Image.fromarray(pixels).save(file, kind)
    return file.getvalue()


@fuzz
@given(st.sampled_from(["png", "jpeg", "tiff", "npz"]), changes() | st.binary(max_size=60))
@example("png", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 4 4\n")
@example("npz", b"PK\x03\x04")
@pytest.mark.filterwarnings("ignore")  # Pillow's, of what is odd in a file
def test_a_picture(again, kind, change):
    path = Path(f"a.{'npz' if kind == 'npz' else 'png'}")
    path.write_bytes(change if isinstance(change, bytes) else changed(bytes_of(kind), change))
    with refused(path):
        open_picture(path)


@fuzz
@given(st.text(max_size=40), st.tuples(st.integers(-2, 2**40), st.integers(-2, 2**40)))
@example("|u1", (10**6, 10**6))
@example("|O", (4, 4))
def test_an_array_that_claims_what_it_has_not(again, kind, shape):
    header = f"{{'descr': {kind!r}, 'fortran_order': False, 'shape': {shape}, }}".encode() + b"\n"
    with zipfile.ZipFile("a.npz", "w") as archive:
        archive.writestr("images.npy", b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + bytes(64))
    with refused("a.npz"):
        open_picture(Path("a.npz"))


def test_an_array_of_objects_runs_nothing(again):
    np.savez("a.npz", np.array([[Ran()]]))
    with refused("a.npz"), pytest.raises(OSError, match=r"a\.npz"):
        open_picture(Path("a.npz"))


def test_the_right_files_are_read(again):
    """What is changed above is right before."""
    for name, load in LOADERS.items():
        assert load(again(name))
    assert LOADERS["model"](again("model")).do(discs(2), area=60.0)["x"].shape == (2, 1, 16, 16)
    assert Graph.from_yaml(YAML.decode()) == Disc()
    pictures()
    Path("heart.csv").write_bytes(CSV)
    assert len(ci.read_table(Disc, "heart.csv")) == 2
    for kind in ("png", "jpeg", "npz"):
        path = Path(f"a.{'npz' if kind == 'npz' else 'png'}")
        path.write_bytes(bytes_of(kind))
        assert open_picture(path).shape == (16, 16)
