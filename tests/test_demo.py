"""The main job and the command line, in small: every file is written, and a saved model can be asked."""

import shlex
import sys

import PIL.Image
import pytest

from causalimg.cli import app


def run(monkeypatch, *words):
    """The exit code of the command line."""
    monkeypatch.setattr(sys, "argv", ["causalimg", *map(str, words)])
    with pytest.raises(SystemExit) as stop:
        app.main()
    return stop.value.code or 0


@pytest.mark.filterwarnings(
    "ignore:the image hardly follows:UserWarning", "ignore:the guide .* reads:UserWarning"
)  # six steps
def test_training_writes_its_figures_and_its_model_answers(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(app, "train", lambda out, **options: SMALL(out, patients=24, held_out=24, **options))
    out = tmp_path / "demo"
    assert run(monkeypatch, "demo", "--train", "--out", out, "--steps", 6) == 0
    assert "| do |" in capsys.readouterr().out
    for name in ("graph", "fit", "finetuning", "smaller", "larger", "thicker", "dose_response_lv_area", "patient"):
        with PIL.Image.open(out / f"{name}.png") as picture:
            low, high = picture.convert("L").getextrema()
            assert high - low > 50
    assert {path.suffix for path in (out / "model").iterdir()} == {".json", ".safetensors", ".md"}
    assert "# Phantom hearts" in (out / "model/README.md").read_text()

    question = shlex.split((out / "ask.txt").read_text())[1:]
    assert run(monkeypatch, *question) == 1  # a guide of two steps
    assert "as it is read off the image: give its value instead" in capsys.readouterr().err
    question += ["--given", "wall_area=1000", "--given", "lv_area=900"]
    assert run(monkeypatch, *question, "--out", tmp_path / "answer.png") == 0
    said = capsys.readouterr().out
    assert "lv_area: 900 mm2 -> 600 mm2, measured" in said
    assert (tmp_path / "answer.png").stat().st_size > 5000

    question[3] = "lv_aera=600"
    assert run(monkeypatch, *question) == 1
    assert "Did you mean 'lv_area'?" in capsys.readouterr().err
    question[3] = "lv_area"
    assert run(monkeypatch, *question) == 1
    assert "what is set is said as name=value, such as lv_area=900" in capsys.readouterr().err


SMALL = app.train


@pytest.mark.filterwarnings("ignore:do.*hardly occurred together:UserWarning")
def test_without_training_the_shipped_model_answers(tmp_path, monkeypatch, capsys):
    out = tmp_path / "demo"
    assert run(monkeypatch, "demo", "--out", out) == 0
    said = capsys.readouterr().out
    assert "do(lv_area × 0.6), asked for (and measured): 736 mm2 (7" in said
    for name in ("graph", "smaller", "larger", "thicker", "patient"):
        assert (out / f"{name}.png").exists()
    question = shlex.split((out / "ask.txt").read_text())[1:]
    assert run(monkeypatch, *question, "--out", tmp_path / "answer.png") == 0
    assert "-> 600 mm2, measured" in capsys.readouterr().out
