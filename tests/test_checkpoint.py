"""Training that is killed goes on where it was, and ends bitwise as if nothing had been."""

import os
import random
import shutil
import signal
import subprocess
import sys
import time

import pytest
import torch
from test_interrupted import SHORT, TUNING, Fragile, Lamp, Photometer, lamps, model
from torch import nn

import causalimg as ci
from causalimg import storage
from causalimg.training.loop import train
from causalimg.training.optimiser import Learner

KILLS = int(os.environ.get("KILLS", "0"))
"""So often each training is killed by `make faults`; in a short run one of them is, once."""

TRAININGS = [(which, what) for which in ("flow", "edited") for what in ("fit", "finetune")]

TIMES = {"seconds", "samples_per_second"}

TRAINING = """
import sys, warnings
from pathlib import Path
import torch
import causalimg as ci

warnings.simplefilter("ignore")
which, what, out = sys.argv[1], sys.argv[2], Path(sys.argv[3])
torch.set_num_threads(1)
heart = ci.phantoms.Heart(size=32)
train, val = heart.sample(48, seed=0), heart.sample(16, seed=1)
edited = ci.Edited(base=ci.HVAE(widths=(8, 8), latents=(0, 2)), edit=ci.Deform(widths=(4, 4)))
image = {"flow": ci.FlowMatching(widths=(8, 8)), "edited": edited}
reader = ci.Segmentor.unet(heart.structures, width=8)
made = ci.compile(heart.graph, reader, x=image[which])
short = {name: ci.Recipe(steps=4) for name in heart.graph}
quick = ci.Recipe(steps=40, batch=8, log_every=1)
if what == "fit":
    made.fit(train.values, val.values, checkpoint=out / "checkpoint", log=out / "log", **(short | {"x": quick}))
else:
    made.fit(train.values, **short)
    kept = {"checkpoint": out / "checkpoint", "log": out / "log" / "x.jsonl"}
    made.finetune(train.values, val.values, guidance=[reader], recipe=quick, **kept)
made.save(out / "model")
"""


def start(which, what, out):
    command = [sys.executable, "-c", TRAINING, which, what, str(out)]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def result(out):
    """All tensors of the model, and the rows of the last log but for what a clock says."""
    _, tensors = storage.read(out / "model")
    rows = ci.History.read_jsonl(out / "log" / "x.jsonl").rows
    return tensors, [{name: value for name, value in row.items() if name not in TIMES} for row in rows]


def same(one, other):
    assert one[0].keys() == other[0].keys()
    assert [name for name in one[0] if not torch.equal(one[0][name], other[0][name])] == []
    assert one[1] == other[1]


@pytest.mark.parametrize(("which", "what"), TRAININGS if KILLS else TRAININGS[:1])
def test_killed_training_ends_as_it_would_have(which, what, tmp_path):
    begin = time.monotonic()
    assert start(which, what, tmp_path / "whole").wait() == 0
    took, expected, draw = time.monotonic() - begin, result(tmp_path / "whole"), random.Random(0)
    gone_on = 0
    for number in range(max(1, KILLS)):
        out = tmp_path / str(number)
        training = start(which, what, out)
        time.sleep(took * (0.7 + 0.3 * draw.random()))
        training.send_signal(signal.SIGKILL)
        training.wait()
        gone_on += any(out.glob("checkpoint/**/spec.json"))
        assert start(which, what, out).wait() == 0
        same(result(out), expected)
    assert gone_on


def outcome(made):
    return {name: value.clone() for name, value in made.state_dict().items()}


@pytest.mark.parametrize("after", [14, 31, 59])
@pytest.mark.parametrize("held_out", [True, False])
def test_interrupted_at_any_step_it_goes_on_bitwise(after, held_out, tmp_path):
    val = (lamps(),) if held_out else ()
    whole = model()
    history = whole.fit(lamps(), *val, **SHORT)["x"]
    made = model(after=after, what="Ctrl-C")
    with pytest.raises(KeyboardInterrupt):
        made.fit(lamps(), *val, checkpoint=tmp_path, **SHORT)
    made.mechanisms["x"].after = 10**9
    resumed = made.fit(lamps(), *val, checkpoint=tmp_path, **SHORT)["x"]
    ours, theirs = outcome(made), outcome(whole)
    assert [name for name in ours if not torch.equal(ours[name], theirs[name])] == []
    for one, other in zip(resumed.rows, history.rows, strict=True):
        assert {k: v for k, v in one.items() if k not in TIMES} == {k: v for k, v in other.items() if k not in TIMES}


QUICK = ci.Recipe(steps=12, batch=8, log_every=1)

SMALL = {
    "flow": ci.FlowMatching(widths=(8, 8)),
    "edited": ci.Edited(base=ci.HVAE(widths=(8, 8), latents=(0, 2)), edit=ci.Deform(widths=(4, 4))),
}


@pytest.fixture(scope="module")
def hearts():
    heart = ci.phantoms.Heart(size=32)
    reader = ci.Segmentor.unet(heart.structures, width=4)
    return heart.graph, reader, *(heart.sample(16, seed=seed).values for seed in (0, 1))


def fitted(which, hearts, **kept):
    graph, reader, train, val = hearts
    made = ci.compile(graph, reader, x=SMALL[which])
    made.fit(train, val, **(dict.fromkeys(graph, ci.Recipe(steps=2)) | {"x": QUICK}), **kept)
    return made


def tuned(made, hearts, **kept):
    _, reader, train, val = hearts
    made.finetune(train, val, guidance=[reader], recipe=QUICK, **kept)
    return made


def check_same(made, other):
    ours, theirs = outcome(made), outcome(other)
    assert [name for name in ours if not torch.equal(ours[name], theirs[name])] == []


@pytest.fixture
def cut(monkeypatch):
    """Ctrl-C before the eighth step of what has the recipe QUICK, once it is switched on."""
    learn, switch = Learner.learn, {"on": False}

    def until(self, step, batch):
        if switch["on"] and step == 8 and self._recipe.steps == QUICK.steps:
            switch["on"] = False
            raise KeyboardInterrupt
        return learn(self, step, batch)

    monkeypatch.setattr(Learner, "learn", until)
    return switch


@pytest.mark.parametrize("which", SMALL)
def test_fits_of_networks_go_on_bitwise(which, hearts, cut, tmp_path):
    whole = fitted(which, hearts)
    cut["on"] = True
    with pytest.raises(KeyboardInterrupt):
        fitted(which, hearts, checkpoint=tmp_path)
    torch.rand(3)  # what is drawn in between makes no difference
    check_same(fitted(which, hearts, checkpoint=tmp_path), whole)


def reading(seed=0, **kept):
    heart = ci.phantoms.Heart(size=32)
    train, val = (heart.sample(16, seed=number) for number in (0, 1))
    made = ci.Segmentor.unet(heart.structures, width=4, seed=seed)
    return made.fit(train.values["x"], train.masks, (val.values["x"], val.masks), recipe=QUICK, **kept)


def test_fits_of_readers_go_on_bitwise(cut, tmp_path):
    whole = reading()
    cut["on"] = True
    with pytest.raises(KeyboardInterrupt):
        reading(checkpoint=tmp_path)
    with pytest.raises(ValueError, match="checkpoint of another training: weights differ"):
        reading(seed=1, checkpoint=tmp_path)
    with pytest.raises(ValueError, match="checkpoint of another training: augment differ"):
        reading(checkpoint=tmp_path, augment=ci.Augment(noise=0.5))
    resumed = reading(checkpoint=tmp_path)
    check_same(resumed, whole)
    assert resumed.fitted == whole.fitted


@pytest.mark.filterwarnings("ignore:the guide .* reads:UserWarning")  # it is not trained
@pytest.mark.parametrize("which", SMALL)
def test_their_fine_tuning_does_too_in_another_session_and_in_the_same(which, hearts, cut, tmp_path):
    begun, whole = fitted(which, hearts), tuned(fitted(which, hearts), hearts)
    cut["on"] = True
    with pytest.raises(KeyboardInterrupt):
        tuned(begun, hearts, checkpoint=tmp_path)
    shutil.copytree(tmp_path, tmp_path / "copy")
    torch.rand(3)
    check_same(tuned(fitted(which, hearts), hearts, checkpoint=tmp_path), whole)
    with pytest.warns(UserWarning, match="interrupted"):
        check_same(tuned(begun, hearts, checkpoint=tmp_path / "copy"), whole)


class Constant(nn.Module):
    """A loss that depends on one weight alone."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(1))

    def forward(self, batch):
        return self.weight.square().sum(), {}


def test_a_validation_that_is_not_finite_can_be_written_down(tmp_path):
    scores = iter([float("inf"), 1.0, float("nan")])
    settings = {"label": "one", "validate": lambda: next(scores), "checkpoint": tmp_path}
    history = train(Constant(), {"x": torch.ones(4, 1)}, ci.Recipe(steps=3, log_every=1, batch=2), **settings)
    assert history.rows[0]["val"] == float("inf")


def test_another_start_is_another_training(tmp_path):
    ci.compile(Lamp, Photometer(), seed=0, x=Fragile()).fit(lamps(), checkpoint=tmp_path, **SHORT)
    other = ci.compile(Lamp, Photometer(), seed=1, x=Fragile())
    with pytest.raises(ValueError, match="another training: weights differ"):
        other.fit(lamps(), checkpoint=tmp_path, **SHORT)


def test_what_is_done_is_not_trained_again(tmp_path):
    first = model()
    first.fit(lamps(), checkpoint=tmp_path, **SHORT)
    again = model()
    again.mechanisms["x"].after, again.mechanisms["x"].what = 0, "error"
    again.fit(lamps(), checkpoint=tmp_path, **SHORT)
    assert torch.equal(again.mechanisms["x"].gain, first.mechanisms["x"].gain)


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"x": TUNING.model_copy(update={"lr": 0.01})}, "recipe"),
        ({"seed": 1}, "seed"),
        ({"pose": ci.Pose(mirror=True)}, "pose"),
    ],
)
def test_a_checkpoint_of_another_training_is_refused(changed, named, tmp_path):
    model().fit(lamps(), checkpoint=tmp_path, **SHORT)
    with pytest.raises(ValueError, match=f"is a checkpoint of another training: {named} differ"):
        model().fit(lamps(), checkpoint=tmp_path, **(SHORT | changed))
    with pytest.raises(ValueError, match="another training: data differ"):
        model().fit(lamps(60), checkpoint=tmp_path, **SHORT)


def test_fine_tuning_goes_on_from_the_model_that_it_began_with_only(tmp_path):
    made = model()
    made.fit(lamps(), **SHORT)
    made.save(tmp_path / "model")
    made.finetune(lamps(), guidance=[ci.Target(Photometer())], recipe=TUNING, checkpoint=tmp_path / "tuning")
    again = ci.CausalModel.load(tmp_path / "model", Photometer())
    again.finetune(lamps(), guidance=[ci.Target(Photometer())], recipe=TUNING, checkpoint=tmp_path / "tuning")
    assert torch.equal(again.mechanisms["x"].gain, made.mechanisms["x"].gain)
    with pytest.raises(ValueError, match="another training: weights differ"):
        made.finetune(lamps(), guidance=[ci.Target(Photometer())], recipe=TUNING, checkpoint=tmp_path / "tuning")
    assert made.guided_by
