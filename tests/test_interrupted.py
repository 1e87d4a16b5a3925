"""Training that is interrupted or fails: what was learnt is kept or undone, and the model knows which."""

import importlib
import warnings

import pytest
import torch
from strategies import as_if_fitted
from torch import nn

import causalimg as ci
from causalimg.graph import Image
from causalimg.readers.reader import Reader, fingerprint
from causalimg.training.history import History

calibrate_module, finetune_module = (
    importlib.import_module(f"causalimg.guidance.{name}") for name in ("calibrate", "finetune")
)


class Lamp(ci.Graph):
    """A level, and an image as bright as it says."""

    level = ci.Continuous(unit="grey", bounds=(0, 1), measured=ci.MeanIntensity("all"))
    x = ci.Image(parents=[level], shape=(1, 8, 8))


class Fragile(ci.Mechanism):
    """x = gain · level + u, until `after` losses were asked for: then `what` happens."""

    handles = (Image,)
    after: int = 10**9
    what: str = ""

    def build(self):
        self.gain = nn.Parameter(torch.zeros(()))
        self.asked = 0

    def noise(self, n, generator=None):
        return torch.zeros(n, *self.variable.value_shape)

    def predict(self, u, parents):
        if self.training:
            self._happens()
        return self.gain * parents["level"][:, None, None, None] + u

    def abduct(self, value, parents, prior):
        return value - self.gain.detach() * parents["level"][:, None, None, None]

    def loss(self, value, parents):
        if self.training:
            self._happens()
        scale = torch.nan if self.what == "skipped" and self.asked > self.after else 1.0
        return scale * (value - self.gain * parents["level"][:, None, None, None]).square().flatten(1).sum(1)

    def _happens(self):
        self.asked += 1
        if self.asked > self.after and self.what in ("Ctrl-C", "error"):
            raise {"Ctrl-C": KeyboardInterrupt, "error": ZeroDivisionError}[self.what]


class Photometer(Reader):
    """Reads the level off the brightness."""

    def can_read(self, graph):
        return ("level",)

    def read(self, images, graph, names, *, soft=False):
        return {name: images.flatten(1).mean(1).clamp(0, 1) for name in names}


def lamps(n=64):
    level = torch.linspace(0.1, 0.9, n)
    return {"level": level, "x": level[:, None, None, None].expand(n, 1, 8, 8).clone()}


SHORT = {"level": ci.Recipe(steps=2), "x": ci.Recipe(steps=60, batch=16, lr=0.05, log_every=5)}
TUNING = ci.Recipe(steps=60, batch=16, lr=0.05, log_every=5)


def model(**settings):
    return ci.compile(Lamp, Photometer(), x=Fragile(**settings))


def gain(of):
    return of.mechanisms["x"].gain.item()


def ask(of):
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        of.do(lamps(2), level=0.5)
    return [str(one.message) for one in said if "interrupted" in str(one.message)]


@pytest.fixture
def broken():
    made = model(after=30, what="Ctrl-C")
    with pytest.raises(KeyboardInterrupt):
        made.fit(lamps(), lamps(), **SHORT)
    return made


def test_ctrl_c_keeps_what_was_learnt_and_the_model_says_so(broken, capfd):
    assert gain(broken) > 0.1
    assert ask(broken) == [
        "x: its fit was interrupted, and answers are what it had learnt by then: train it to the end"
    ]


def test_an_interrupted_model_knows_it_on_disk_too(broken, tmp_path):
    broken.save(tmp_path / "model")
    assert ask(ci.CausalModel.load(tmp_path / "model", Photometer()))


def test_fitted_to_the_end_it_says_no_more(broken):
    broken.mechanisms["x"].what = ""
    broken.fit(lamps(), **SHORT)
    assert not ask(broken)


def test_the_weights_that_were_validated_best_are_kept_and_not_the_last():
    made = model(after=33, what="Ctrl-C")
    with pytest.raises(KeyboardInterrupt):
        made.fit(lamps(), lamps(), **SHORT)
    again = model(after=31, what="Ctrl-C")  # the same validation before, and two steps less after it
    with pytest.raises(KeyboardInterrupt):
        again.fit(lamps(), lamps(), **SHORT)
    assert gain(made) == gain(again)


def test_who_guided_an_interrupted_fine_tuning_may_not_judge():
    made = as_if_fitted(model(after=30, what="Ctrl-C"))
    guide = Photometer()
    with pytest.raises(KeyboardInterrupt):
        made.finetune(lamps(), guidance=[ci.Target(guide)], recipe=TUNING)
    assert made.guided_by == [fingerprint(guide)]
    assert gain(made) > 0.05
    assert "fine-tuning was interrupted" in ask(made)[0]
    with pytest.raises(ValueError, match="who guided may not judge"):
        ci.effectiveness(made, lamps(), guide)
    made.mechanisms["x"].what = ""
    with pytest.warns(UserWarning, match="its fine-tuning was interrupted"):
        made.finetune(lamps(), guidance=[ci.Target(guide)], recipe=TUNING)
    assert not ask(made)


def test_a_fine_tuning_does_not_heal_an_interrupted_fit(broken):
    broken.mechanisms["x"].what = ""
    with pytest.warns(UserWarning, match="its fit was interrupted"):
        broken.finetune(lamps(), guidance=[ci.Target(Photometer())], recipe=TUNING)
    assert "its fit was interrupted" in ask(broken)[0]


def test_an_error_in_fine_tuning_leaves_the_model_as_it_was():
    made = as_if_fitted(model(after=30, what="error"))
    with pytest.raises(ZeroDivisionError):
        made.finetune(lamps(), guidance=[ci.Target(Photometer())], recipe=TUNING)
    assert gain(made) == 0
    assert made.guided_by == []
    assert not ask(made)


def test_after_an_error_in_fit_what_was_being_fitted_refuses_to_answer():
    made = as_if_fitted(model(after=30, what="error"))
    with pytest.raises(ZeroDivisionError):
        made.fit(lamps(), warm_start=True, **SHORT)
    assert gain(made) == 0
    with pytest.raises(ValueError, match="x is not trained"):
        made.do(lamps(2), level=0.5)


@pytest.mark.parametrize(("after", "raises"), [(12, True), (45, False)])
def test_where_most_steps_are_skipped_training_has_failed(after, raises):
    made = model(after=after, what="skipped")
    if not raises:
        made.fit(lamps(), **SHORT)
        assert gain(made) > 0.1
        return
    with pytest.raises(RuntimeError, match="48 of 60 steps were not finite"):
        made.fit(lamps(), **SHORT)
    assert gain(made) == 0


def test_what_was_measured_before_is_forgotten_where_a_fit_fails():
    made = model()
    made.fit(lamps(), **SHORT)
    assert made.sensitivities
    made.mechanisms["x"].after, made.mechanisms["x"].what = 0, "error"
    with pytest.raises(ZeroDivisionError):
        made.fit(lamps(), warm_start=True, **SHORT)
    assert made.sensitivities == {}


def test_a_model_that_is_fitted_is_fitted_on_where_it_is_told_to_alone():
    made = model()
    made.fit(lamps(), **SHORT)
    before = gain(made)
    with pytest.raises(ValueError, match=r"this model is fitted: fit\(..., warm_start=True\)"):
        made.fit(lamps(), **SHORT)
    assert gain(made) == before
    made.fit(lamps(), warm_start=True, **SHORT)
    assert gain(made) != before


def test_an_earlier_log_is_set_aside(tmp_path):
    made = model()
    for _ in range(3):
        made.fit(lamps(), log=tmp_path, warm_start=True, **SHORT)
    assert {path.name for path in tmp_path.glob("x*")} == {"x.jsonl", "x.1.jsonl", "x.2.jsonl"}
    assert all(len(History.read_jsonl(path).rows) == 12 for path in tmp_path.glob("x*"))


def test_an_interrupted_fit_stays_one_through_two_fine_tunings(broken):
    broken.mechanisms["x"].asked, broken.mechanisms["x"].after = 0, 10
    with pytest.warns(UserWarning, match="its fit was"), pytest.raises(KeyboardInterrupt):
        broken.finetune(lamps(), guidance=[ci.Target(Photometer())], recipe=TUNING)
    broken.mechanisms["x"].what = ""
    with pytest.warns(UserWarning, match="its fit was"):
        broken.finetune(lamps(), guidance=[ci.Target(Photometer())], recipe=TUNING)
    assert "its fit was interrupted" in ask(broken)[0]


def test_interrupted_while_weights_are_calibrated_they_stay_as_they_were(monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(calibrate_module, "misses", interrupted)
    made = ci.compile(Lamp, Photometer(), x=ci.FlowMatching(widths=(4,), embedding=4))
    with pytest.raises(KeyboardInterrupt):
        made.fit(lamps(16), level=ci.Recipe(steps=2), x=ci.Recipe(steps=2, batch=8))
    assert made.mechanisms["x"].weights.tolist() == [1.0]
    assert ask(made)


def test_an_error_in_fine_tuning_leaves_what_an_edit_answers_to_as_it_was(monkeypatch):
    edited = ci.Edited(base=ci.HVAE(widths=(4,), latents=(2,)), edit=ci.Deform(widths=(4, 4)))
    made = as_if_fitted(ci.compile(Lamp, Photometer(), x=edited))
    before = {name: value.clone() for name, value in made.state_dict().items()}

    def fails(*_, **__):
        raise ZeroDivisionError

    monkeypatch.setattr(finetune_module, "train", fails)
    with pytest.raises(ZeroDivisionError):
        made.finetune(lamps(), guidance=[ci.Target(Photometer())], recipe=TUNING)
    assert [name for name, value in made.state_dict().items() if not torch.equal(value, before[name])] == []
