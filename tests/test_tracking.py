"""Where a training is logged: the same numbers everywhere, pictures of fine-tuning, and never any harm to the training."""

import csv
import importlib
import warnings
from types import SimpleNamespace

import numpy as np
import PIL.Image
import pytest
import torch
from lightning_fabric.loggers import CSVLogger, Logger, TensorBoardLogger
from strategies import as_if_fitted
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from test_interrupted import SHORT, TUNING, Photometer, lamps, model
from test_study import PLAN

import causalimg as ci
from causalimg.guidance.picturing import ROWS, Picturing, picturing
from causalimg.guidance.step import GuidedStep
from causalimg.study import StudyFile
from causalimg.study.trainer import Trainer
from causalimg.training.tracking import Careful, Tracked, check_log

WATCHED = [12, 24, 36]
QUICK = TUNING.model_copy(update={"steps": 36, "log_every": 12})


class Kept(Logger):
    """A logger that keeps what it is told."""

    name, version = "kept", 0

    def __init__(self):
        self.rows, self.settings, self.pictures, self.saved = [], [], [], 0

    def log_metrics(self, metrics, step=None):
        self.rows.append((step, metrics))

    def log_hyperparams(self, params):
        self.settings.append(params)

    def save(self):
        self.saved += 1

    def values(self, metric):
        return {step: metrics[metric] for step, metrics in self.rows if metric in metrics}


class Wandb(Kept):
    """Takes pictures as the logger of W&B does."""

    def log_image(self, key, images, step=None, **kwargs):
        assert isinstance(images, list)
        self.pictures += [(key, image, step) for image in images]


class Mlflow(Kept):
    """Takes pictures as the client of MLflow does."""

    run_id = "a1"

    @property
    def experiment(self):
        return SimpleNamespace(log_image=self._log_image)

    def _log_image(self, run_id, image, artifact_file=None, key=None, step=None, timestamp=None, synchronous=None):
        assert (run_id, artifact_file) == (self.run_id, None)
        self.pictures.append((key, image, step))


class Meddling(Wandb):
    """Draws from the random state, and sets it."""

    def log_metrics(self, metrics, step=None):
        torch.manual_seed(step)
        super().log_metrics(metrics, step)

    def log_image(self, key, images, step=None, **kwargs):
        torch.rand(7)
        super().log_image(key, images, step)


class Gone(Wandb):
    """Its server went away after so many rows."""

    def __init__(self, after=0, what=("log_metrics",)):
        super().__init__()
        self.after, self.what, self.asked = after, what, 0

    def _ask(self, what):
        self.asked += what in self.what
        if what in self.what and self.asked > self.after:
            raise ConnectionError("no such host\nsecond line")

    def log_metrics(self, metrics, step=None):
        self._ask("log_metrics")
        super().log_metrics(metrics, step)

    def log_hyperparams(self, params):
        self._ask("log_hyperparams")
        super().log_hyperparams(params)


def tune(log=None, val=True, recipe=QUICK, **more):
    made = as_if_fitted(model())
    history = made.finetune(
        lamps(), *[lamps(32)] * val, guidance=[ci.Target(Photometer())], recipe=recipe, log=log, **more
    )
    return made, ci.History(history.rows[1:])  # the first row is what was before


def same(one, other):
    ours, theirs = one.state_dict(), other.state_dict()
    return ours.keys() == theirs.keys() and all(torch.equal(ours[name], theirs[name]) for name in ours)


@pytest.fixture(scope="module")
def plain():
    return tune()


@pytest.fixture(scope="module")
def wandb():
    """A fine-tuning that such a logger saw, with it."""
    logger = Wandb()
    return *tune(logger), logger


def test_a_logger_and_a_folder_get_the_same_rows_at_the_same_steps(tmp_path):
    logger = CSVLogger(tmp_path / "csv", name="run")
    histories = model().fit(lamps(), lamps(16), log=[tmp_path / "json", logger], **SHORT)
    with open(f"{logger.log_dir}/metrics.csv") as file:  # on disk, without a call that ends the run
        rows = list(csv.DictReader(file))
    for name, history in histories.items():
        assert ci.History.read_jsonl(tmp_path / "json" / f"{name}.jsonl") == history
        told = [
            {metric.removeprefix(f"{name}/"): float(value) for metric, value in row.items() if value}
            for row in rows
            if row[f"{name}/loss"]
        ]
        assert told == list(history.rows)


def test_settings_are_told_once_as_data():
    logger = Kept()
    model().fit(lamps(), seed=3, log=logger, **SHORT)
    ((settings,),) = (logger.settings,)
    told = settings["fit"]
    assert ci.Graph.from_data(told["graph"]) == model().graph
    assert told["seed"] == 3
    assert told["mechanisms"]["x"]["kind"] == "Fragile"
    assert (told["recipes"]["x"]["steps"], told["recipes"]["level"]["steps"]) == (60, 2)
    assert logger.saved


def test_tensorboard_has_numbers_settings_and_pictures(tmp_path):
    logger = TensorBoardLogger(tmp_path, default_hp_metric=False)
    _, history = tune(logger)
    logger.finalize("success")
    events = EventAccumulator(logger.log_dir, size_guidance={"images": 0}).Reload()
    for metric in ("loss", "level", "val", "F"):
        steps, values = history.curve(metric)
        told = events.Scalars(f"finetune/{metric}")
        assert [one.step for one in told] == steps
        assert [one.value for one in told] == pytest.approx(values)
    assert [one.step for one in events.Images("finetune/counterfactuals")] == WATCHED
    assert events.Images("finetune/counterfactuals")[0].width > 100


@pytest.mark.parametrize("kind", [Wandb, Mlflow])
def test_pictures_go_by_the_way_that_a_logger_has(kind, wandb):
    logger = kind()
    if kind is Wandb:
        logger = wandb[2]
    else:
        tune(logger)
    assert [(key, step) for key, _, step in logger.pictures] == [("finetune/counterfactuals", s) for s in WATCHED]
    picture = logger.pictures[0][1]
    assert picture.dtype == np.uint8
    assert picture.ndim == 3
    assert picture.shape[2] == 3


def test_pictures_show_the_same_rows_while_the_answer_changes(wandb):
    _, _, logger = wandb
    first, last = (logger.pictures[k][1].astype(int) for k in (0, -1))
    assert first.shape == last.shape
    third = first.shape[1] // 3
    changed = (first != last).any((0, 2))
    assert not changed[:third].any()  # factual, captions, legend
    assert changed[third:].any()
    assert len({picture.tobytes() for _, picture, _ in logger.pictures}) > 1


def test_a_folder_gets_pictures_beside_the_lines(tmp_path, wandb):
    log = tmp_path / "of" / "x.jsonl"
    tune(log)
    files = sorted(path.name for path in (tmp_path / "of" / "x_pictures").iterdir())
    assert files == [f"{step:06d}.png" for step in WATCHED]
    drawn = np.asarray(PIL.Image.open(tmp_path / "of" / "x_pictures" / files[0]))
    assert np.array_equal(drawn, wandb[2].pictures[0][1])
    tune(log)
    assert {path.name for path in log.parent.iterdir()} == {"x.jsonl", "x.1.jsonl", "x_pictures", "x_pictures.1"}


@pytest.mark.parametrize("val", [True, False])
def test_loggers_change_no_weight_and_no_random_state(val, tmp_path):
    torch.manual_seed(0)
    without, _ = tune(val=val)
    state = torch.get_rng_state()
    watched, _ = tune([Meddling(), tmp_path / "x.jsonl", Kept()], val=val)
    assert same(watched, without)
    assert torch.equal(torch.get_rng_state(), state)


def test_names_are_such_as_loggers_take(wandb, plain):
    _, history, logger = wandb
    assert logger.values("finetune/lambda") == dict(zip(*history.curve("λ"), strict=True))
    assert history.rows[0].keys() - {"step"} == {
        name.removeprefix("finetune/").replace("lambda", "λ") for name in logger.rows[0][1]
    }
    twice = Kept()
    terms = [ci.Target(Photometer()), ci.Target(Photometer(), label="level (2)")]
    as_if_fitted(model()).finetune(lamps(), guidance=terms, recipe=ci.Recipe(steps=1), log=twice)
    assert {"finetune/level", "finetune/level 2"} <= twice.rows[0][1].keys()
    assert twice.settings[0]["finetune"]["terms"] == {"level": 1.0, "level 2": 1.0}


def nothing(values, names):
    """A sampler that sets nothing."""
    return ci.Drawn({}, {})


def test_where_a_sampler_sets_nothing_a_picture_shows_nothing_asked():
    logger = Wandb()
    how = {"guidance": [ci.Hold(Photometer())], "recipe": ci.Recipe(steps=1, batch=8), "sampler": nothing}
    as_if_fitted(model()).finetune(lamps(), log=logger, **how)
    assert logger.pictures


def test_a_training_that_goes_on_logs_on_at_the_right_step(tmp_path):
    whole, logger = Wandb(), Wandb()
    _, history = tune(whole)
    made = as_if_fitted(model(after=50, what="Ctrl-C"))
    how = {"guidance": [ci.Target(Photometer())], "recipe": QUICK, "checkpoint": tmp_path / "checkpoint"}
    log = [logger, tmp_path / "x.jsonl"]
    with pytest.raises(KeyboardInterrupt):
        made.finetune(lamps(), lamps(32), log=log, **how)
    cut = [step for step, _ in logger.rows]
    assert cut
    assert cut != WATCHED
    made.mechanisms["x"].what = ""
    with pytest.warns(UserWarning, match="interrupted"):
        made.finetune(lamps(), lamps(32), log=log, **how)
    assert [step for step, _ in logger.rows] == WATCHED
    assert logger.values("finetune/loss") == whole.values("finetune/loss")
    assert [step for _, _, step in logger.pictures] == WATCHED
    assert all(np.array_equal(a[1], b[1]) for a, b in zip(logger.pictures, whole.pictures, strict=True))
    assert ci.History.read_jsonl(tmp_path / "x.jsonl").curve("loss") == history.curve("loss")
    assert len(list((tmp_path / "x_pictures").iterdir())) == len(WATCHED)
    assert not (tmp_path / "x_pictures.1").exists()


def test_a_logger_that_fails_is_named_once_and_training_goes_on(plain, tmp_path):
    gone, other = Gone(after=1), Kept()
    with pytest.warns(UserWarning, match=r"^Gone failed at metrics \(ConnectionError: no such host\)\.") as said:
        made, history = tune([gone, other])
    assert len([one for one in said if "Gone" in str(one.message)]) == 1
    assert same(made, plain[0])
    assert [step for step, _ in other.rows] == history.curve("loss")[0] == WATCHED
    assert [step for step, _ in gone.rows] == WATCHED[:1]
    assert gone.asked == 2  # a server that is gone is not waited for again
    assert len(gone.pictures) == len(WATCHED)


def test_settings_that_a_logger_refuses_cost_it_nothing_else():
    gone = Gone(what=("log_hyperparams",))
    with pytest.warns(UserWarning, match="Gone failed at settings"):
        model().fit(lamps(), log=gone, **SHORT)
    assert gone.values("x/loss")
    assert gone.values("level/loss")
    assert gone.asked == 1


def test_ctrl_c_in_a_logger_is_one():
    careful = Careful(Kept(), dict)
    with pytest.raises(KeyboardInterrupt):
        careful.send("metrics", lambda: (_ for _ in ()).throw(KeyboardInterrupt))


def test_a_logger_without_pictures_gets_none_and_draws_none():
    def draw():
        raise AssertionError("drawn for nobody")

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Tracked(Careful(Kept(), dict), "x").show(draw, 1)


@pytest.mark.parametrize("given", [3, True, Kept, [None], ["logs", 5], {"a": 1}, SimpleNamespace(log=print)])
def test_what_is_no_logger_is_said_in_a_line(given):
    for call in (
        lambda: model().fit(lamps(), log=given, **SHORT),
        lambda: as_if_fitted(model()).finetune(lamps(), guidance=Photometer(), log=given),
        lambda: ci.Regressor.cnn(["level"]).fit(lamps()["x"], {"level": lamps()["level"]}, log=given),
    ):
        with pytest.raises(
            TypeError, match="^log: expected a (file|folder), a logger of Lightning's such as"
        ) as caught:
            call()
        assert "\n" not in str(caught.value)


def test_a_list_of_no_places_is_none_and_paths_may_be_several(tmp_path):
    check_log([])
    model().fit(lamps(), log=[tmp_path / "a", str(tmp_path / "b")], **SHORT)
    assert (tmp_path / "a" / "x.jsonl").read_text() == (tmp_path / "b" / "x.jsonl").read_text()


def test_a_reader_logs_too(tmp_path):
    logger, images = Kept(), lamps()["x"].repeat(1, 1, 4, 4)
    ci.Regressor.cnn(["level"], width=4).fit(
        images, {"level": lamps()["level"]}, recipe=ci.Recipe(steps=4, batch=8), log=[logger, tmp_path / "r.jsonl"]
    )
    assert logger.values("regressor/loss") == dict(
        zip(*ci.History.read_jsonl(tmp_path / "r.jsonl").curve("loss"), strict=True)
    )
    assert logger.settings[0]["regressor"]["recipe"]["steps"] == 4


def step_of(made, data):
    terms = [ci.Target(Photometer()).expanded(made.graph)[0]]
    return GuidedStep(made, "x", terms, data, sampler=ci.Permuted(), view=ci.View(), bound=None)


def test_pictures_are_of_rows_in_which_something_is_asked():
    data = lamps(12)
    data = {name: value[[0] * 8 + [3, 5, 7, 9, 11]] for name, value in data.items()}
    step = step_of(as_if_fitted(model()), data)
    shown = Picturing(step, step.data)
    assert len(shown._held.values["level"]) == ROWS
    assert (shown._world["level"] != shown._held.values["level"]).all()
    was, now = (float(world["level"][0]) for world in (shown._held.values, shown._world))
    assert shown._captions()[0] == f"level {was:.4g} grey → {now:.4g} grey"
    few = {name: value[:2] for name, value in data.items()}
    assert len(Picturing(step, step.held(few))._captions()) == 2


def test_images_of_other_channels_have_no_picture():
    step = step_of(as_if_fitted(model()), lamps(12))
    assert picturing(step, step.data)
    two = step.data._replace(values={**step.data.values, "x": torch.zeros(12, 2, 8, 8)})
    assert picturing(step, two) is None


def test_a_study_says_its_loggers_by_name(tmp_path):
    said = {"csv": "t.csv", "graph": {"variables": {}}}
    assert StudyFile(**said, log=["csv", "tensorboard"]).log == ("csv", "tensorboard")
    with pytest.raises(ValueError, match="log: unknown logger 'tensorbord'. Did you mean 'tensorboard'"):
        StudyFile(**said, log=["tensorbord"])


@pytest.mark.filterwarnings("ignore:the guide .* reads:UserWarning")  # two steps teach it nothing
def test_a_study_logs_every_training(tmp_path, monkeypatch):
    for kind in (ci.ConditionalFlow, ci.GumbelMax):
        monkeypatch.setattr(kind, "recipe", ci.Recipe(steps=2, batch=8))
    study = ci.Study.of_phantom(ci.phantoms.Heart(size=32), patients=24, held_out=10)
    Trainer(study, tmp_path, PLAN, ["csv", "tensorboard"]).model("segmentor", 0)
    for kind, file in (("csv", "metrics.csv"), ("tensorboard", "events*")):
        found = {path.parent.parent.name for path in (tmp_path / "runs" / kind).glob(f"*/version_0/{file}")}
        assert found == {"none_0", "segmentor_0", "guide"}
    assert (tmp_path / "segmentor_0.jsonl").exists()
    assert list((tmp_path / "segmentor_0_pictures").glob("*.png"))


def test_a_missing_package_is_said_before_anything_is_trained(tmp_path, monkeypatch):
    errors = importlib.import_module("causalimg.errors")

    def missing(package):
        raise ModuleNotFoundError(package)

    monkeypatch.setattr(errors, "import_module", missing)
    with pytest.raises(ImportError, match=r'pip install "causalimg\[track\]"'):
        Trainer(None, tmp_path, PLAN, ["tensorboard"])
