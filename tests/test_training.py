import json
import math
from functools import partial
from importlib import import_module
from itertools import pairwise
from typing import NamedTuple

import pytest
import torch
from test_model import Disc, Threshold, discs
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

import causalimg as ci
from causalimg.training.history import History
from causalimg.training.loop import train
from causalimg.training.randomness import batches
from causalimg.training.recipe import Recipe, learning_rate
from causalimg.training.tracking import JsonLines

QUICK = Recipe(steps=200, batch=16, lr=0.1, warmup=10, weight_decay=0.0, ema=0.9, log_every=10, accelerator="cpu")


def recipe(**changes) -> Recipe:
    return Recipe(**{**dict(QUICK), **changes})


class Line(nn.Module):
    """y = w x + b, by squared error."""

    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Linear(1, 1)
        nn.init.zeros_(self.net.weight)
        nn.init.zeros_(self.net.bias)

    def forward(self, batch: dict[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
        error = self.net(batch["x"]).flatten() - batch["y"]
        return error.square().mean(), {"absolute": error.abs().mean()}


class Constant(nn.Module):
    """A loss in closed form: one vector, pulled by the column `pull`."""

    def __init__(self) -> None:
        super().__init__()
        self.v = nn.Parameter(torch.zeros(2))

    def forward(self, batch: dict[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
        return (self.v.sum() * batch["pull"].mean()), {}


def line_data(n: int = 64) -> dict[str, Tensor]:
    x = torch.linspace(-1, 1, n)
    return {"x": x[:, None], "y": 3 * x + 1}


def weights(module: nn.Module) -> list[Tensor]:
    return [p.detach().clone() for p in module.parameters()]


# --- it learns, repeatably, and leaves nothing behind


def test_a_line_is_learned():
    step = Line()
    history = train(step, line_data(), QUICK, label="line")
    assert step.net.weight.item() == pytest.approx(3, abs=0.05)
    assert step.net.bias.item() == pytest.approx(1, abs=0.05)
    losses = history.curve("loss")[1]
    assert losses[-1] < 0.01 * losses[0]


class Noisy(Line):
    def forward(self, batch):
        loss, metrics = super().forward({**batch, "y": batch["y"] + torch.randn_like(batch["y"])})
        return loss, metrics


def test_the_seed_decides_batches_and_noise_and_the_users_random_state_is_left_alone():
    results = []
    for seed in (0, 0, 1):
        step = Noisy()
        torch.randn(len(results))  # whatever the user drew before
        train(step, line_data(), recipe(steps=20), label="line", seed=seed)
        results.append(step.net.weight.item())
    assert results[0] == results[1] != results[2]
    step, before = Noisy(), torch.get_rng_state()
    train(step, line_data(), recipe(steps=20), label="line")
    assert torch.equal(torch.get_rng_state(), before)


def test_validation_changes_neither_the_batches_nor_the_noise():
    rows = []
    for validate in (None, lambda: torch.rand(()).item()):
        rows.append(train(Noisy(), line_data(), recipe(steps=40), label="line", validate=validate).curve("loss"))
    assert rows[0] == rows[1]


def test_the_module_comes_back_clean_even_after_an_error():
    step = Line()
    attributes = set(vars(step))
    train(step, line_data(), recipe(steps=5), label="line")
    assert not step.training
    assert set(vars(step)) == attributes
    assert all(p.grad is None for p in step.parameters())
    step.train()
    with pytest.raises(RuntimeError, match="line, step 5"):
        train(step, {**line_data(), "x": torch.full((64, 1), 1e30)}, recipe(steps=5), label="line")
    assert not step.training
    assert all(p.grad is None for p in step.parameters())


def test_bf16_mixed_leaves_weights_and_data_in_float32():
    seen = []

    class Seeing(Line):
        def forward(self, batch):
            seen.append((batch["y"].dtype, self.net(batch["x"]).dtype))
            return super().forward(batch)

    step = Seeing()
    train(step, line_data(), recipe(precision="bf16-mixed"), label="line")
    assert set(seen) == {(torch.float32, torch.bfloat16)}
    assert step.net.weight.dtype == torch.float32
    assert step.net.weight.item() == pytest.approx(3, abs=0.1)


# --- which weights stay


def test_what_was_validated_best_is_what_is_kept_running_statistics_too():
    class Normed(Line):
        def __init__(self):
            super().__init__()
            self.norm = nn.BatchNorm1d(1)

        def forward(self, batch):
            return super().forward({**batch, "x": self.norm(batch["x"])})

    step, seen = Normed(), []

    def validate() -> float:
        assert not step.training
        assert not torch.is_grad_enabled()
        seen.append(
            [t.clone() for t in (step.net.weight, step.norm.weight, step.norm.running_mean, step.norm.running_var)]
        )
        return abs(len(seen) - 4)  # the fourth is best

    history = train(step, line_data(), QUICK, label="line", validate=validate)
    kept = (step.net.weight, step.norm.weight, step.norm.running_mean, step.norm.running_var)
    assert len(seen) == 10
    assert all(torch.equal(a, b) for a, b in zip(kept, seen[3], strict=True))
    assert not torch.equal(kept[0], seen[-1][0])
    assert history.curve("val")[1] == [abs(i - 4) for i in range(1, 11)]
    assert history.curve("val")[0][-1] == QUICK.steps


@pytest.mark.parametrize(("steps", "log_every", "times"), [(5, 10, 1), (100, 10, 10), (101, 10, 6), (200, 1, 10)])
def test_validation_happens_about_ten_times_and_at_the_end(steps, log_every, times):
    plan = recipe(steps=steps, log_every=log_every)
    validated, _ = train(Line(), line_data(), plan, label="line", validate=lambda: 0.0).curve("val")
    assert len(validated) == times
    assert validated[-1] == steps


def test_validation_sees_the_same_random_draws_every_time():
    draws = train(Line(), line_data(), QUICK, label="line", validate=lambda: torch.rand(()).item()).curve("val")[1]
    assert len(set(draws)) == 1


def test_without_validation_the_average_of_the_weights_stays():
    path = []

    class Watched(Constant):
        def forward(self, batch):
            path.append(self.v.detach().clone())  # before the step
            return super().forward(batch)

    step = Watched()
    pull = {"pull": torch.ones(8)}
    train(step, pull, recipe(steps=30), label="v")
    expected, after = path[0], path[1:]
    for t, v in enumerate(after):
        decay = min(QUICK.ema, (1 + t) / (10 + t))
        expected = decay * expected + (1 - decay) * v
    # the last step isn't seen by a forward: it moved on, at the final rate, by about `lr`
    decay = min(QUICK.ema, 30 / 39)
    last = path[-1] - learning_rate(recipe(steps=30), 30)
    torch.testing.assert_close(step.v.detach(), decay * expected + (1 - decay) * last, rtol=1e-4, atol=1e-6)


def test_an_infinite_buffer_stays_infinite():
    step = Line()
    step.bound = nn.Buffer(torch.tensor([0.0, math.inf]))
    train(step, line_data(), recipe(steps=5), label="line")
    assert step.bound.tolist() == [0.0, math.inf]


# --- what is trained


def test_frozen_parts_neither_move_nor_leave_eval_mode():
    class Guided(Line):
        def __init__(self):
            super().__init__()
            self.guide = nn.Sequential(nn.BatchNorm1d(1), nn.Dropout(), nn.Linear(1, 1)).requires_grad_(False)

        def forward(self, batch):
            assert self.training
            assert not any(part.training for part in self.guide.modules())
            loss, metrics = super().forward(batch)
            return loss + self.guide(batch["x"]).square().mean(), metrics

    step = Guided()
    before = {name: value.clone() for name, value in step.guide.state_dict().items()}
    train(step, line_data(), recipe(steps=10, weight_decay=0.5), label="line")
    assert all(torch.equal(value, before[name]) for name, value in step.guide.state_dict().items())


def test_weight_decay_shrinks_matrices_only():
    class Still(nn.Module):
        def __init__(self):
            super().__init__()
            self.matrix, self.gain = nn.Parameter(torch.ones(2, 2)), nn.Parameter(torch.ones(2))

        def forward(self, batch):
            return 0 * (self.matrix.sum() + self.gain.sum()) + 0 * batch["x"].sum(), {}

    step = Still()
    train(step, {"x": torch.ones(4)}, recipe(steps=20, weight_decay=0.5), label="still")
    assert step.matrix.max() < 0.95
    assert torch.equal(step.gain.detach(), torch.ones(2))


def test_the_rate_rises_linearly_then_falls_along_a_cosine_to_a_twentieth():
    plan = Recipe(steps=110, warmup=10, lr=2.0)
    rates = [learning_rate(plan, t) for t in range(1, 111)]
    assert rates[:10] == pytest.approx([0.2 * t for t in range(1, 11)])
    assert rates[59] == pytest.approx(2.0 * 0.525)
    assert rates[-1] == pytest.approx(0.1)
    assert rates[9:] == sorted(rates[9:], reverse=True)
    assert learning_rate(Recipe(steps=10, warmup=0, lr=2.0), 10) == pytest.approx(0.1)


def test_a_short_training_warms_up_for_a_quarter_of_its_steps_at_most():
    short = Recipe(steps=8, warmup=100, lr=2.0)
    assert [learning_rate(short, step) for step in (1, 2)] == pytest.approx([1.0, 2.0])
    assert learning_rate(short, 8) == pytest.approx(0.1)
    assert learning_rate(Recipe(steps=1, warmup=100, lr=2.0), 1) > 0.05
    assert learning_rate(Recipe(steps=400, warmup=100, lr=2.0), 50) == pytest.approx(1.0)


def test_a_recipe_overrides_what_was_given_and_keeps_the_rest():
    own = Recipe(steps=3000, batch=64, lr=2e-3, warmup=100, ema=0.998, clip=1.0)
    assert Recipe(steps=800).over(own) == own.model_copy(update={"steps": 800})
    assert Recipe(lr=1e-3).over(own).lr == 1e-3  # said, although it is the default
    assert Recipe().over(own) == own
    assert Recipe(steps=5).over(Recipe(batch=2).over(own)) == own.model_copy(update={"steps": 5, "batch": 2})


# --- what is skipped


def test_fit_and_finetune_keep_of_a_mechanisms_own_recipe_what_they_are_not_told(monkeypatch):
    trained = {}

    def note(step, data, recipe, *, label, **rest):
        trained[label] = recipe
        return History()

    for module in ("causalimg.fit", "causalimg.guidance.finetune"):
        monkeypatch.setattr(import_module(module), "train", note)
    model = ci.compile(Disc, x=ci.FlowMatching(widths=(4, 4), embedding=4, steps=1))
    model.fit(discs(8), x=Recipe(steps=800), age=Recipe(steps=2))
    model.finetune(discs(8), guidance=[Threshold()], recipe=Recipe(lr=1e-4))
    assert trained["x"] == ci.FlowMatching.recipe.model_copy(update={"steps": 800})
    assert trained["age"] == ci.ConditionalFlow.recipe.model_copy(update={"steps": 2})
    assert trained["x, guided"] == ci.FlowMatching.tuning.model_copy(update={"lr": 1e-4})


def test_a_step_with_a_wild_gradient_is_skipped_and_counted_and_spoils_no_mean():
    pull = torch.ones(100)
    pull[7], pull[42] = 1e6, 3e38  # too steep; and a norm that overflows
    tame, wild = Constant(), Constant()
    plan = recipe(steps=100, batch=1, log_every=100, warmup=0)
    quiet = train(tame, {"pull": torch.ones(100)}, plan, label="v")
    history = train(wild, {"pull": pull}, plan, label="v")
    assert history.last("skipped") == 2
    assert quiet.last("skipped") == 0
    assert history.last("grad_norm") == pytest.approx(math.sqrt(2))
    assert abs(history.last("loss")) < 10
    assert wild.v.isfinite().all()
    torch.testing.assert_close(wild.v, tame.v, rtol=0.05, atol=0)


def test_a_skipped_step_moves_nothing_not_even_the_optimisers_memory():
    seen = []

    class Poisoned(Constant):
        def forward(self, batch):
            poison = batch["pull"] > 1  # the column itself must be finite
            seen.append((self.v.detach().clone(), not poison.any()))
            return super().forward({"pull": torch.where(poison, math.inf, batch["pull"])})

    history = train(Poisoned(), {"pull": torch.tensor([1.0, 2.0] * 30)}, recipe(steps=60, batch=1, warmup=0), label="v")
    assert history.last("skipped") == 30
    for (before, sound), (after, _) in pairwise(seen):
        assert torch.equal(before, after) != sound


@pytest.mark.parametrize(("steps", "stopped"), [(200, 50), (20, 20)])
def test_training_stops_when_every_step_is_skipped(steps, stopped):
    with pytest.raises(RuntimeError, match=rf"^hopeless, step {stopped}: the gradients of the last {stopped} steps"):
        train(Constant(), {"pull": torch.full((8,), 1e20)}, recipe(steps=steps), label="hopeless")


def test_a_row_of_skipped_steps_only_has_no_means():
    class Late(Constant):
        calls = 0

        def forward(self, batch):
            self.calls += 1
            loss, _ = super().forward(batch)
            return loss * (1e20 if self.calls <= 10 else 1.0), {"seen": loss}

    history = train(Late(), {"pull": torch.ones(8)}, recipe(steps=20), label="late")
    first, second = history.rows
    assert first["skipped"] == second["skipped"] == 10
    assert not {"loss", "seen", "grad_norm"} & set(first)
    assert math.isfinite(second["loss"])
    assert history.curve("seen")[0] == [20]


def test_a_loss_that_is_not_finite_stops_the_training_though_its_gradient_is():
    class Offset(Constant):
        def forward(self, batch):
            return super().forward(batch)[0] + math.inf, {}

    with pytest.raises(RuntimeError, match="offset, step 10: the loss is inf"):
        train(Offset(), {"pull": torch.ones(8)}, QUICK, label="offset")


def test_validation_that_is_never_finite_is_an_error():
    with pytest.raises(RuntimeError, match="line: no validation gave a finite value"):
        train(Line(), line_data(), recipe(steps=5), label="line", validate=lambda: math.nan)


# --- rows


def test_rows_are_means_over_the_steps_since_the_row_before():
    values = []

    class Counting(Constant):
        def forward(self, batch):
            loss, _ = super().forward(batch)
            values.append(float(len(values)))
            return loss, {"count": torch.tensor(values[-1])}

    history = train(Counting(), {"pull": torch.ones(8)}, recipe(steps=25), label="v")
    assert history.curve("count") == ([10, 20, 25], [4.5, 14.5, 22.0])
    assert history.last("lr") == pytest.approx(0.05 * QUICK.lr)
    assert history.last("samples_per_second") > 0
    assert history.curve("seconds")[1] == sorted(history.curve("seconds")[1])


def test_the_log_and_the_written_history_read_back_as_the_history(tmp_path):
    log = tmp_path / "log.jsonl"
    log.write_text("an older run\n")
    seen = []

    def validate() -> float:
        seen.append(len(log.read_text().splitlines()))  # what is on disk while training runs
        return 1.0

    history = train(Line(), line_data(), recipe(steps=50), label="line", validate=validate, log=[JsonLines(log)])
    assert seen == [0, 1, 2, 3, 4]
    assert History.read_jsonl(log) == history
    history.write_jsonl(tmp_path / "written.jsonl")
    assert (tmp_path / "written.jsonl").read_text() == log.read_text()
    assert json.loads(log.read_text().splitlines()[0])["step"] == 10


def test_a_compiled_step_learns_the_same(monkeypatch):
    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend="eager"))
    plain, compiled = (train(Line(), line_data(), recipe(steps=5, compile=c), label="line") for c in (False, True))
    assert compiled.last("loss") == pytest.approx(plain.last("loss"), rel=1e-5)


def test_a_step_that_cannot_be_compiled_runs_as_it_is_and_says_so_once(monkeypatch, capsys):
    def broken(function):
        def run(batch):
            raise RuntimeError("no compiler here")

        return run

    monkeypatch.setattr(torch, "compile", broken)
    compiled = train(Line(), line_data(), recipe(steps=5, compile=True), label="line")
    assert compiled.last("loss") == train(Line(), line_data(), recipe(steps=5), label="line").last("loss")
    assert capsys.readouterr().err.count("could not compile the step (RuntimeError)") == 1


def test_what_fails_uncompiled_too_is_raised(monkeypatch):
    class Wrong(Line):
        def forward(self, batch):
            raise ValueError("wrong in itself")

    monkeypatch.setattr(torch, "compile", lambda function: function)
    with pytest.raises(ValueError, match="wrong in itself"):
        train(Wrong(), line_data(), recipe(steps=5, compile=True), label="line")


def test_the_folder_of_a_log_is_made(tmp_path):
    log = tmp_path / "of" / "today" / "log.jsonl"
    history = train(Line(), line_data(), recipe(steps=5), label="line", log=[JsonLines(log)])
    assert History.read_jsonl(log) == history


def test_an_unknown_metric_names_the_nearest():
    history = train(Line(), line_data(), recipe(steps=5), label="line")
    with pytest.raises(ValueError, match=r"unknown metric 'absolut'. Did you mean 'absolute'\?"):
        history.last("absolut")


def test_the_host_waits_for_the_device_only_where_it_logs():
    class CountCopies(TorchDispatchMode):
        copies = 0

        def __torch_dispatch__(self, func, types, args=(), kwargs=None):
            self.copies += func is torch.ops.aten._local_scalar_dense.default
            return func(*args, **(kwargs or {}))

    def copies(steps: int) -> int:
        with CountCopies() as mode:
            train(Line(), line_data(), recipe(steps=steps, log_every=100), label="line")
        return mode.copies

    assert copies(10) == copies(60)


def test_the_last_state_is_shown_on_standard_error(capsys):
    train(Line(), line_data(), recipe(steps=20), label="a line")
    shown = capsys.readouterr()
    assert not shown.out
    assert "a line" in shown.err
    assert "20 of 20 steps" in shown.err
    assert "loss" in shown.err


# --- batches


def test_every_epoch_is_another_permutation():
    stream = batches({"i": torch.arange(12)}, 4, torch.device("cpu"), 0, 0, 1)
    epochs = [torch.cat([next(stream)["i"] for _ in range(3)]) for _ in range(2)]
    assert all(sorted(epoch.tolist()) == list(range(12)) for epoch in epochs)
    assert epochs[0].tolist() != epochs[1].tolist()


def test_rows_of_one_batch_belong_together():
    batch = next(batches({"i": torch.arange(12), "j": torch.arange(12) * 10}, 5, torch.device("cpu"), 0, 0, 1))
    assert torch.equal(batch["j"], batch["i"] * 10)


def test_a_batch_larger_than_the_data_is_all_of_it():
    stream = batches({"i": torch.arange(3)}, 32, torch.device("cpu"), 0, 0, 1)
    assert all(sorted(next(stream)["i"].tolist()) == [0, 1, 2] for _ in range(3))


def test_processes_share_each_batch_that_one_process_has():
    whole = batches({"i": torch.arange(12)}, 6, torch.device("cpu"), 0, 0, 1)
    shares = [batches({"i": torch.arange(12)}, 6, torch.device("cpu"), 0, rank, 2) for rank in range(2)]
    for _ in range(4):
        of_each = [next(share)["i"].tolist() for share in shares]
        assert [row for pair in zip(*of_each, strict=True) for row in pair] == next(whole)["i"].tolist()


# --- nests


class Rows(NamedTuple):
    inputs: dict[str, Tensor]
    y: Tensor


def test_a_typed_nest_trains_as_its_flat_columns_do():
    seen = []

    class Typed(Line):
        def forward(self, batch):
            seen.append(type(batch))
            return super().forward({"x": batch.inputs["x"], "y": batch.y})

    flat, typed = Line(), Typed()
    train(flat, line_data(), recipe(steps=20), label="line")
    data = line_data()
    history = train(typed, Rows({"x": data["x"]}, data["y"]), recipe(steps=20), label="line")
    assert set(seen) == {Rows}
    assert all(torch.equal(a, b) for a, b in zip(weights(flat), weights(typed), strict=True))
    assert history.last("samples_per_second") > 0


def test_batches_of_a_nest_keep_its_types_and_its_rows_together():
    data = Rows({"i": torch.arange(12), "j": 10 * torch.arange(12)}, torch.arange(12))
    batch = next(batches(data, 5, torch.device("cpu"), 0, 0, 1))
    assert isinstance(batch, Rows)
    assert torch.equal(batch.inputs["j"], 10 * batch.y)
    assert len(batch.y) == 5


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (Rows({"x": torch.ones(4)}, torch.ones(3)), r"got \{'inputs.x': 4, 'y': 3\}"),
        (Rows({"x": torch.tensor([1.0, math.nan])}, torch.ones(2)), r"line: 'inputs\.x' is not finite in row 1"),
    ],
)
def test_a_mistake_in_a_nest_is_named_by_its_path(data, message):
    with pytest.raises(ValueError, match=message):
        train(Line(), data, QUICK, label="line")


# --- mistakes


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"x": torch.ones(4, 1), "y": torch.ones(3)}, r"line: columns of data need .* got \{'x': 4, 'y': 3\}"),
        ({"x": torch.ones(0, 1), "y": torch.ones(0)}, r"line: columns of data need .* at least 1"),
        ({}, "line: columns of data need"),
        ({"x": torch.ones(4, 1), "y": torch.tensor([0.0, 1.0, math.nan, 2.0])}, "line: 'y' is not finite in row 2"),
        ({"x": torch.tensor([[0.0], [math.inf]]), "y": torch.ones(2)}, "line: 'x' is not finite in row 1"),
    ],
)
def test_data_that_will_not_do_is_refused(data, message):
    with pytest.raises(ValueError, match=message):
        train(Line(), data, QUICK, label="line")


def test_nothing_to_train_is_an_error():
    with pytest.raises(ValueError, match="line: nothing to train"):
        train(Line().requires_grad_(False), line_data(), QUICK, label="line")


def test_metrics_that_change_their_names_are_an_error():
    class Fickle(Constant):
        calls = 0

        def forward(self, batch):
            self.calls += 1
            return super().forward(batch)[0], {f"metric_{self.calls}": torch.zeros(())}

    with pytest.raises(ValueError, match=r"the same metrics every time.*metric_1.*metric_2"):
        train(Fickle(), {"pull": torch.ones(8)}, QUICK, label="fickle")


def test_a_recipe_refuses_what_it_does_not_know():
    with pytest.raises(ValueError, match="Did you mean 'steps'"):
        Recipe(step=3)
    with pytest.raises(ValueError, match=r"Recipe.precision: .*'bf16-mixed'"):
        Recipe(precision="16-mixed")
    with pytest.raises(ValueError, match=r"Recipe.ema: .*less than 1"):
        Recipe(ema=1.0)


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ({"train": None}, "train: expected values by name or a Table, got NoneType"),
        ({"train": torch.ones(3)}, "train: expected values by name or a Table, got Tensor"),
        ({"val": "val.csv"}, "val: expected values by name or a Table, got str 'val.csv'"),
        ({"val": {name: value[:0] for name, value in discs(2).items()}}, "val: rows: expected at least 1, got 0"),
        ({"x": 800}, "x: expected Recipe, got int 800"),
        ({"pose": "mirror"}, "pose: expected Pose or None, got str 'mirror'"),
        ({"seed": "one"}, "seed: expected a whole number, got str 'one'"),
        ({"seed": 2**80}, "seed: expected .* to 18446744073709551615, got"),
        ({"age": Recipe(steps=1, accelerator="tpu")}, "accelerator='tpu', devices=1, strategy='auto': "),
    ],
)
def test_what_a_fit_cannot_take_is_named(how, message):
    model = ci.compile(Disc, x=ci.HVAE(widths=(4, 4), latents=(0, 2)))
    with pytest.raises((TypeError, ValueError), match=message):
        model.fit(**{"train": discs(4), **how})


def test_a_step_takes_no_infinite_rate():
    with pytest.raises(ValueError, match="lr: .*finite"):
        Recipe(lr=math.inf)
