"""The examples are short, and run on the real data as they are; here for a few steps, which teach nothing."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parent.parent / "examples"


@pytest.mark.parametrize(
    ("example", "data", "figure"),
    [
        ("cardiac_mri", "sunnybrook_lv", "lv_area_times_0.7.png"),
        ("chest_xray", "cxr_pediatric", "left_lung_times_1.2.png"),
    ],
)
def test_an_example_ends_with_a_table_and_figures(example, data, figure, real_data, tmp_path):
    words = [sys.executable, EXAMPLES / f"{example}.py", real_data(data), "--out", tmp_path / "out", "--steps", "8"]
    said = subprocess.run(words, check=True, capture_output=True, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"})
    assert "| do | method | error % |" in said.stdout
    assert (tmp_path / "out" / "comparison.html").stat().st_size > 100_000
    assert (tmp_path / "out" / figure).stat().st_size > 10_000
    assert {path.suffix for path in (tmp_path / "out" / "model").iterdir()} == {".json", ".safetensors"}


def test_digits_are_read_and_drawn_thicker(real_data, tmp_path):
    words = [sys.executable, EXAMPLES / "morphomnist.py", real_data("morphomnist"), "--out", tmp_path, "--steps", "2"]
    subprocess.run(words, check=True, capture_output=True, env={**os.environ, "OMP_NUM_THREADS": "1"})
    assert (tmp_path / "thicker.png").stat().st_size > 10_000
    assert {path.suffix for path in (tmp_path / "model").iterdir()} == {".json", ".safetensors"}


def test_kinds_of_guidance_compare_on_real_films_and_a_study_goes_on_where_it_stopped(real_data, tmp_path):
    words = [sys.executable, EXAMPLES / "compare_guidance.py", "thirds", real_data("cxr_pediatric"), "--out", tmp_path]
    for steps in ("5", "10"):
        run = subprocess.run(
            [*words, "--methods", "none", "segmentor", "--steps", steps], capture_output=True, text=True
        )
        if steps == "5":
            assert "| segmentor |" in run.stdout.replace("**", "")
            assert (tmp_path / "segmentor_0").exists()
    assert "holds a study with another plan" in run.stderr


@pytest.mark.parametrize(("example", "most"), [("cardiac_mri", 120), ("chest_xray", 120), ("custom_mechanism", 40)])
def test_an_example_is_short(example, most):
    assert len((EXAMPLES / f"{example}.py").read_text().splitlines()) <= most
