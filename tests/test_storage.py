"""A folder of JSON and tensors: what was written is read, nothing is read as what it is not, and no moment leaves a mixture."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from test_model import Disc, Threshold

import causalimg as ci
from causalimg import storage

SPEC, TENSORS = {"kind": "Blur", "sides": [1, 2]}, {"weight": torch.arange(3.0)}
KILLS = int(os.environ.get("KILLS", "3"))
"""So often saving is killed; `make faults` does it 60 times."""


@pytest.fixture
def folder(tmp_path):
    storage.write(tmp_path / "new" / "model", SPEC, TENSORS)
    return tmp_path / "new" / "model"


def named(folder):
    return json.loads((folder / storage.SPEC).read_text())


def change(folder, **entries):
    spec = named(folder) | entries
    (folder / storage.SPEC).write_text(json.dumps({name: value for name, value in spec.items() if value is not None}))


def forge(folder, **entries):
    """Change what is said, and make its digest fit."""
    spec = {name: value for name, value in (named(folder) | entries).items() if name != "digest"}
    change(folder, **entries, digest=storage._digest(spec))


def test_what_was_written_is_read(folder):
    spec, tensors = storage.read(folder)
    assert spec == SPEC
    assert list(tensors) == ["weight"]
    assert torch.equal(tensors["weight"], TENSORS["weight"])
    assert named(folder)["format"] == storage.FORMAT


@pytest.mark.parametrize("version", [1, 2, "3", 0])
def test_another_format_is_refused_with_its_version_and_ours(folder, version):
    change(folder, format=version)
    with pytest.raises(
        ValueError, match=rf"model: spec.json is of format {version!r}; this .* reads format {storage.FORMAT}$"
    ):
        storage.read(folder)


def test_a_folder_without_a_version_is_refused(folder):
    change(folder, format=None)
    with pytest.raises(
        ValueError, match=rf"model: spec.json says no version of its format; this .* reads format {storage.FORMAT}$"
    ):
        storage.read(folder)
    (folder / storage.SPEC).write_text("[1]")
    with pytest.raises(ValueError, match="says no version of its format"):
        storage.read(folder)


@pytest.mark.parametrize("text", ["{", "[" * 100_000, '{"format": NaN'])
def test_what_is_no_json_is_refused_with_its_file(folder, text):
    (folder / storage.SPEC).write_text(text)
    with pytest.raises(ValueError, match=r"spec\.json is no JSON"):
        storage.read(folder)


def test_a_missing_file_is_named(folder):
    tensors = named(folder)["tensors"]
    (folder / tensors).unlink()
    with pytest.raises(FileNotFoundError, match=f"holds no {tensors}"):
        storage.read(folder)
    (folder / storage.SPEC).unlink()
    with pytest.raises(FileNotFoundError, match=r"holds no spec\.json"):
        storage.read(folder)


@pytest.mark.parametrize("name", storage.OWN)
def test_a_spec_has_no_entry_of_the_storages_own(tmp_path, name):
    with pytest.raises(ValueError, match=f"'{name}' is the storage's own"):
        storage.write(tmp_path, {name: "png"}, TENSORS)
    assert not list(tmp_path.iterdir())


# -- what was changed since --------------------------------------------------------------------------------------------


def test_a_spec_that_was_changed_is_refused(folder):
    change(folder, sides=[2, 1])
    with pytest.raises(ValueError, match=r"spec\.json was changed after it was saved"):
        storage.read(folder)


def test_tensors_that_were_changed_or_cut_short_are_refused(folder):
    path = folder / named(folder)["tensors"]
    whole = path.read_bytes()
    for broken in (whole[:-1], whole[:-1] + b"\x01", b""):
        path.write_bytes(broken)
        with pytest.raises(ValueError, match=r"safetensors was changed or cut short"):
            storage.read(folder)


def test_tensors_that_are_none_are_refused(folder):
    old = folder / named(folder)["tensors"]
    old.write_bytes(b"not tensors at all")
    name = f"{storage.digest_of_file(old)}.safetensors"
    old.rename(folder / name)
    forge(folder, tensors=name)
    with pytest.raises(ValueError, match="holds no tensors"):
        storage.read(folder)


@pytest.mark.parametrize("name", ["../secret.safetensors", "secret", 3])
def test_no_file_elsewhere_is_read_or_removed_because_a_spec_names_it(folder, name):
    secret = folder.parent / "secret.safetensors"
    save_file(TENSORS, secret)
    forge(folder, tensors=name)
    with pytest.raises(ValueError, match="names no file of tensors"):
        storage.read(folder)
    storage.write(folder, SPEC, TENSORS)
    assert secret.exists()
    assert storage.read(folder)[0] == SPEC


# -- writing over ------------------------------------------------------------------------------------------------------


def test_writing_over_leaves_one_file_of_tensors_and_what_is_the_users(folder):
    (folder / "notes.safetensors").write_text("mine")
    old = named(folder)["tensors"]
    storage.write(folder, SPEC, {"weight": torch.ones(2)})
    assert not (folder / old).exists()
    assert {path.name for path in folder.iterdir()} == {storage.SPEC, "notes.safetensors", named(folder)["tensors"]}
    storage.write(folder, SPEC, {"weight": torch.ones(2)})
    assert storage.read(folder)[1]["weight"].tolist() == [1, 1]


@pytest.mark.parametrize(
    "text",
    ['{"name": "theirs"}', "theirs", "[]", '{"format": "theirs"}', '{"format": 1, "title": "theirs"}', '{"format": 3}'],
)
def test_a_spec_of_somebody_elses_is_not_written_over(tmp_path, text):
    (tmp_path / storage.SPEC).write_text(text)
    with pytest.raises(FileExistsError, match=r"spec\.json is no file of causalimg's"):
        storage.write(tmp_path, SPEC, TENSORS)
    assert [path.name for path in tmp_path.iterdir()] == [storage.SPEC]
    assert (tmp_path / storage.SPEC).read_text() == text


def test_where_the_tensors_cannot_be_written_what_was_there_stays(folder):
    shared = torch.zeros(3)
    with pytest.raises(RuntimeError, match="share memory"):
        storage.write(folder, {"kind": "New"}, {"a": shared, "b": shared})
    with pytest.raises(ValueError, match="JSON"):
        storage.write(folder, {"kind": float("nan")}, TENSORS)
    assert storage.read(folder)[0] == SPEC
    assert len(list(folder.iterdir())) == 2


def test_what_was_left_of_killed_writing_goes_when_it_is_old_and_nothing_else_does(folder):
    orphan = folder / named(folder)["tensors"]
    (folder / storage.SPEC).unlink()  # killed before it was named
    left = [orphan, folder / f"{storage.STRAY}7-abcd"]
    left[1].write_text("half")
    mine = [folder / f"{'1' * 32}.safetensors", folder / ".7.notes.json", folder / "tensors.safetensors"]
    for path in mine:
        path.write_text("mine")
    storage.write(folder, SPEC, {"other": torch.ones(1)})
    assert all(path.exists() for path in [*left, *mine])  # another process may be writing what is left
    for path in [*left, *mine]:
        os.utime(path, (time.time() - 2 * storage.HOUR,) * 2)
    storage.write(folder, SPEC, {"other": torch.ones(1)})
    assert not any(path.exists() for path in left)
    assert all(path.exists() for path in mine)


SAVING = """
import sys, torch
from causalimg import storage
print("ready", flush=True)
for n in range(10**6):
    storage.write(sys.argv[1], {"n": n}, {"n": torch.full((400_000,), float(n))})
"""


def test_killed_at_any_moment_a_folder_is_what_it_was_or_what_it_was_to_be(folder):
    draw = random.Random(0)
    for _ in range(KILLS):
        saving = subprocess.Popen([sys.executable, "-c", SAVING, str(folder)], stdout=subprocess.PIPE)
        assert saving.stdout.readline() == b"ready\n"
        time.sleep(0.05 + 0.15 * draw.random())
        saving.send_signal(signal.SIGKILL)
        saving.communicate()
        spec, tensors = storage.read(folder)
        assert (tensors["n"] == spec["n"]).all()


def test_what_is_read_while_it_is_written_is_whole(folder):
    with subprocess.Popen([sys.executable, "-c", SAVING, str(folder)], stdout=subprocess.PIPE) as saving:
        assert saving.stdout.readline() == b"ready\n"
        seen, until = set(), time.monotonic() + 60
        while len(seen) < 5 and time.monotonic() < until:
            spec, tensors = storage.read(folder)
            assert (tensors["n"] == spec["n"]).all() if "n" in spec else spec == SPEC
            seen.add(spec.get("n"))
        saving.kill()
    assert len(seen) == 5


FULL = """
import resource, sys, torch
from causalimg import storage
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
storage.write(sys.argv[1], {"n": 1}, {"n": torch.zeros(4000)})
"""


def test_on_a_full_disk_what_was_there_stays(folder):
    tried = subprocess.run([sys.executable, "-c", FULL, str(folder)], capture_output=True, text=True, check=False)
    assert tried.returncode != 0
    assert "Error" in tried.stderr
    assert storage.read(folder)[0] == SPEC
    assert {path.name for path in folder.iterdir()} == {storage.SPEC, named(folder)["tensors"]}


# -- into a module -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"weight": None}, "weight is missing"),
        ({"wight": torch.zeros(1)}, "wight is nothing that was asked for"),
        (
            {"weight": torch.zeros(3, 2)},
            r"weight is torch.float32 of the shape \(3, 2\), not torch.float32 of \(2, 3\)",
        ),
        ({"weight": torch.zeros(2, 3).half()}, r"weight is torch.float16 of the shape \(2, 3\), not"),
        ({"weight": torch.zeros(2, 3).long()}, r"weight is torch.int64"),
        ({"bias": torch.tensor([0.0, float("nan")])}, "bias holds NaN"),
    ],
)
def test_tensors_that_do_not_fit_are_refused_by_name(changed, why):
    module = torch.nn.Linear(3, 2)
    before = {name: value.clone() for name, value in module.state_dict().items()}
    tensors = {name: value for name, value in (before | changed).items() if value is not None}
    with pytest.raises(ValueError, match=f"a/b: {why}"):
        storage.load_into(module, Path("a/b"), tensors)
    assert all(torch.equal(value, before[name]) for name, value in module.state_dict().items())


def test_a_constant_may_be_infinite_and_what_is_learnt_may_not(folder):
    module = torch.nn.Linear(1, 1)
    module.register_buffer("most", torch.tensor(torch.inf))
    storage.load_into(module, folder, dict(module.state_dict()))
    with pytest.raises(ValueError, match="bias holds NaN or infinity"):
        storage.load_into(module, folder, module.state_dict() | {"bias": torch.tensor([torch.inf])})
    with pytest.raises(ValueError, match="most holds NaN"):
        storage.load_into(module, folder, module.state_dict() | {"most": torch.tensor(torch.nan)})


def test_a_reader_that_is_passed_in_keeps_its_weights(tmp_path):
    reader = ci.Regressor.cnn(["area"], width=4)
    ci.compile(Disc, reader).save(tmp_path / "model")
    again = ci.Regressor.cnn(["area"], width=4)
    again.load_state_dict(reader.state_dict())
    assert ci.CausalModel.load(tmp_path / "model", again).readers.readers == [again]
    with torch.no_grad():
        for parameter in again.parameters():
            parameter.zero_()
    with pytest.warns(UserWarning, match="saved with other weights of its readers"):
        ci.CausalModel.load(tmp_path / "model", again)
    assert all((parameter == 0).all() for parameter in again.parameters())


def test_an_ensemble_is_written_over_whole_and_takes_no_folder_elsewhere(tmp_path):
    models = [ci.compile(Disc, Threshold(), seed=seed) for seed in range(3)]
    ci.Ensemble(models).save(tmp_path / "e")
    ci.Ensemble(models[:2]).save(tmp_path / "e")
    assert len(ci.Ensemble.load(tmp_path / "e", Threshold()).models) == 2
    assert sum(path.is_dir() for path in (tmp_path / "e").iterdir()) == 2
    models[0].save(tmp_path / "mine")
    forge(tmp_path / "e", models=["../mine"])
    with pytest.raises(ValueError, match="names no ensemble"):
        ci.Ensemble.load(tmp_path / "e", Threshold())
    with pytest.raises(ValueError, match="names no ensemble"):
        ci.Ensemble(models[:1]).save(tmp_path / "e")
    assert (tmp_path / "mine").exists()
