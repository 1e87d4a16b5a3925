"""The examples are short, and run on real data as they are; here on a few rows of it, for a few steps, which teach nothing."""

import json
import re
from importlib import import_module
from pathlib import Path
from textwrap import dedent

import numpy as np
import pytest
import torch
from strategies import as_if_fitted
from torch.testing import assert_close

import causalimg as ci
from causalimg.study import StudyFile

EXAMPLES = Path(__file__).parent.parent / "examples"
EVERY = 12

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")  # what a few steps taught is weak in every way


@pytest.fixture
def run(monkeypatch, capsys):
    """Runs an example by name, with the words of a command line, as a script but in this process; returns what it says."""
    monkeypatch.syspath_prepend(EXAMPLES)

    def ran(name, *words):
        monkeypatch.setattr("sys.argv", [name, *map(str, words)])
        _, script = (EXAMPLES / f"{name}.py").read_text().split('if __name__ == "__main__":\n')
        exec(dedent(script), dict(vars(import_module(name))))
        return capsys.readouterr().out

    return ran


@pytest.fixture
def few(real_data, tmp_path):
    """A copy of a real data set, by name, with one of `EVERY` of its rows."""

    def copied(name):
        folder, some = real_data(name), tmp_path / "data"
        some.mkdir()
        for path in folder.glob("*.npz"):
            np.savez(some / path.name, **{key: array[::EVERY] for key, array in np.load(path).items()})
        head, *rows = (folder / "metadata.csv").read_text().splitlines()  # no cell spans lines
        (some / "metadata.csv").write_text("\n".join([head, *rows[::EVERY]]))
        return some

    return copied


def test_lungs_are_fine_tuned_and_compared(few, run, tmp_path):
    out = tmp_path / "out"
    said = run("chest_xray", few("cxr_pediatric"), "--out", out, "--steps", 8, "--every", 2)
    assert "| do | method | error % |" in said
    assert (out / "comparison.html").stat().st_size > 100_000
    assert (out / "left_lung_times_1.2.png").stat().st_size > 10_000
    assert {path.suffix for path in (out / "model").iterdir()} == {".json", ".safetensors"}


def test_hearts_are_redrawn_by_a_flow_and_judged(few, run, tmp_path):
    said = run("cardiac_mri", few("sunnybrook_lv"), "--out", tmp_path, "--steps", 8, "--every", 2)
    assert said.count("judge's floor %") == 2
    assert (tmp_path / "lv_area_times_0.7.png").stat().st_size > 10_000
    assert {path.suffix for path in (tmp_path / "model").iterdir()} == {".json", ".safetensors"}


def test_digits_are_read_and_drawn_thicker(real_data, run, tmp_path):
    run("morphomnist", real_data("morphomnist"), "--out", tmp_path, "--steps", 2)
    assert (tmp_path / "thicker.png").stat().st_size > 10_000
    assert {path.suffix for path in (tmp_path / "model").iterdir()} == {".json", ".safetensors"}


def test_heads_are_asked_for_in_mm2(few, run, tmp_path):
    said = run("fetal_head", few("hc18"), "--out", tmp_path, "--size", 32, "--steps", 8, "--every", 2)
    for way in (
        "the judge's own",
        "fitted",
        "fitted, the segmentor pulls",
        "fine-tuned",
        "fine-tuned, the segmentor pulls",
    ):
        assert re.search(rf"\| {way} \| ([\d.]+ % \| ){{2}}(\d+ mm2 \| ?){{2}}", said)
    assert "| **head_px [fraction]** |" in (tmp_path / "report.md").read_text()
    assert (tmp_path / "head_area_times_1.2.png").stat().st_size > 10_000
    assert {path.suffix for path in (tmp_path / "model").iterdir()} == {".json", ".safetensors"}


def test_phantoms_become_volumes_of_the_same_areas(run, tmp_path):
    run("phantom_volumes", "--out", tmp_path, "--n", 12)
    text = (EXAMPLES / "phantom_volumes.yaml").read_text()
    assert len(text.splitlines()) <= 12
    (tmp_path / "volumes.yaml").write_text(text.replace("../out/phantom_volumes", str(tmp_path)))
    study = StudyFile.from_yaml(
        tmp_path / "volumes.yaml", ["graph.variables.x.shape=[1,64,64]", "graph.variables.x.spacing=[1.875,1.875]"]
    )
    read = torch.cat([getattr(study.study(), part)["lv_area"] for part in ("train", "val", "test")]).sort().values
    hearts = ci.phantoms.Heart(size=64).sample(12)
    pixels = hearts.masks["lv"].sum((1, 2)).sort().values
    assert_close(read, pixels * 1.875**2)


def test_slices_become_volumes_and_the_same_slices_again(few, run, tmp_path):
    data, out = few("sunnybrook_lv"), tmp_path / "volumes"
    run("cardiac_volumes", data, "--out", out)
    text = (EXAMPLES / "cardiac_volumes.yaml").read_text()
    assert len(text.splitlines()) <= 12
    (tmp_path / "volumes.yaml").write_text(text.replace("../out/cardiac_volumes", str(out)))
    flat = {"csv": data / "metadata.csv", "images": data / "lv_128.npz", "masks": data / "lv_128.npz", "slices": None}
    flat |= {"columns": {"lv_area": None}}
    said = [f"{name}={json.dumps(value, default=str)}" for name, value in flat.items()]
    for part in ("train", "test"):
        one, other = (
            {
                image.numpy().tobytes()
                for image in getattr(StudyFile.from_yaml(tmp_path / "volumes.yaml", changes).study(), part)["x"]
            }
            for changes in ((), said)
        )
        assert one == other


def test_the_zoom_of_a_head_keeps_the_contract_and_a_head_grows_in_its_image_alone(monkeypatch):
    monkeypatch.syspath_prepend(EXAMPLES)
    example = import_module("fetal_head")
    ci.testing.check_mechanism(example.Zoomed(), example.head_graph(32), "head_px")

    mechanisms = {"head_px": example.Zoomed(), "x": ci.HVAE(widths=(4, 4), latents=(0, 2))}
    model = as_if_fitted(ci.compile(example.head_graph(32), **mechanisms))
    seen = {"head_area": torch.tensor([2000.0, 8000.0]), "pixel_mm": torch.tensor([0.8, 1.4])}
    seen["head_px"] = 1.01 * seen["head_area"] / (128 * seen["pixel_mm"]) ** 2
    larger = model.do({**seen, "x": torch.rand(2, 1, 32, 32)}, head_area=ci.scale(1.2))
    assert_close(larger["head_px"], 1.2 * seen["head_px"])
    assert torch.equal(larger["pixel_mm"], seen["pixel_mm"])


def test_kinds_of_guidance_compare_on_real_films_and_a_study_goes_on_where_it_stopped(few, run, tmp_path):
    words = ["thirds", few("cxr_pediatric"), "--out", tmp_path, "--every", 2, "--methods", "none", "segmentor"]
    said = run("compare_guidance", *words, "--steps", 5)
    assert "| segmentor |" in said.replace("**", "")
    assert (tmp_path / "segmentor_0").exists()
    with pytest.raises(ValueError, match="holds a study with another plan"):
        run("compare_guidance", *words, "--steps", 10)


@pytest.mark.parametrize(
    ("example", "most"), [("cardiac_mri", 120), ("chest_xray", 120), ("fetal_head", 120), ("custom_mechanism", 40)]
)
def test_an_example_is_short(example, most):
    assert len((EXAMPLES / f"{example}.py").read_text().splitlines()) <= most
