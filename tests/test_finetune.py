"""Guided fine-tuning: what it reaches, what it holds, what it leaves alone."""

import pytest
import torch
from test_model import Disc, Threshold, discs

import causalimg as ci
from causalimg.fitting.constraint import Bound
from causalimg.fitting.finetune import only_trainable
from causalimg.fitting.guided import Guided
from causalimg.fitting.jitter import jitter
from causalimg.fitting.likelihood import mean_nll
from causalimg.readers import Panel
from causalimg.readers.fingerprint import fingerprint
from causalimg.training.seeds import seeded

QUICK = ci.Recipe(steps=40, batch=64, lr=5e-3, warmup=5)
SETTINGS = ci.Finetuning(recipe=ci.Recipe(steps=150, batch=32, lr=3e-3, warmup=5))


class Eye(ci.Reader):
    """A reader with a parameter, to see that guiding leaves it alone."""

    def __init__(self, **settings):
        super().__init__(**settings)
        self.sharpness = torch.nn.Parameter(torch.tensor(12.0))

    def can_read(self, graph):
        return ("area",)

    def masks(self, images):
        return {"disc": images[:, 0] > 0.5}

    def read(self, images, graph, names, *, soft=False):
        soft_mask = torch.sigmoid(self.sharpness * (images[:, 0] - 0.5))
        mask = soft_mask if soft else (soft_mask > 0.5).float()
        return {n: graph.measured[n].measure({"disc": mask}, graph[n].unit, None) for n in names}


@pytest.fixture(scope="module")
def fitted():
    model = ci.compile(Disc, x=ci.HVAE(widths=(8, 16), latents=(0, 4), embedding=16))
    recipe = ci.Recipe(steps=100, batch=32, lr=5e-3, warmup=5)
    model.fit(discs(), age=QUICK, sex=QUICK, area=QUICK, x=recipe)
    return model


def copy(model, folder):
    model.save(folder)
    return ci.CausalModel.load(folder)


def miss(model, world):
    """Mean distance of the area that is seen to the area that was asked for, in pixels."""
    target = world["area"].flip(0)
    seen = Threshold().read(model.do(world, area=target)["x"], model.graph, ["area"])["area"]
    return (seen - target).abs().mean().item()


def test_fine_tuning_meets_its_targets_and_holds_the_likelihood(fitted, tmp_path):
    model, eye, test = copy(fitted, tmp_path), Eye(), discs(seed=1)
    before, likelihood = miss(model, test), mean_nll(model.mechanisms["x"], "x", test).mean().item()
    history = model.finetune(discs(), discs(60, seed=2), guidance=[eye], settings=SETTINGS)
    assert miss(model, test) < 0.5 * before
    assert mean_nll(model.mechanisms["x"], "x", test).mean().item() < likelihood + 0.05 * abs(likelihood)
    assert model.guided_by == [fingerprint(eye)]
    for metric in ("area", "F", "excess", "λ", "violated", "outside", "skipped"):
        assert history.curve(metric)[1]


def test_only_the_image_mechanism_changes(fitted, tmp_path):
    model, eye = copy(fitted, tmp_path), Eye()
    before = {name: {k: v.clone() for k, v in m.state_dict().items()} for name, m in model.mechanisms.items()}
    model.finetune(discs(), guidance=[eye], settings=ci.Finetuning(recipe=ci.Recipe(steps=3, batch=8)))
    for name, mechanism in model.mechanisms.items():
        same = all(torch.equal(value, before[name][key]) for key, value in mechanism.state_dict().items())
        assert same == (name != "x")
    assert eye.sharpness.item() == 12.0
    assert eye.sharpness.grad is None
    assert all(p.requires_grad for p in [*model.parameters(), eye.sharpness])


@pytest.fixture
def step(fitted):
    eye = Eye()
    data = discs()
    guided = Guided(fitted, "x", Panel(fitted.graph, [eye]), data, ci.Finetuning())
    return guided, guided.columns


def test_a_step_costs_one_encoder_and_two_decoder_passes(step, fitted):
    guided, batch = step
    image = fitted.mechanisms["x"]
    calls = {"encoder": 0, "decoder": 0}

    def count(part):
        calls[part] += 1

    hooks = [getattr(image, part).register_forward_hook(lambda *_, part=part: count(part)) for part in calls]
    guided(batch)
    for hook in hooks:
        hook.remove()
    assert calls == {"encoder": 1, "decoder": 2}


def test_the_pretrained_model_is_within_its_bound_and_its_excess_is_minus_the_tolerance(step):
    guided, batch = step
    with seeded(0, torch.device("cpu")):
        told = guided.train()(batch)[1]
    assert told["excess"].item() == pytest.approx(-guided.slack, abs=0.02 * abs(told["F"].item()))
    assert told["λ"].item() == 0


def test_interventions_are_drawn_for_every_row_from_what_was_observed(step):
    guided, batch = step
    world, parts = guided.intervene({name: batch[name] for name in guided.scm.graph})
    assert parts == [("area", slice(0, 120))]
    assert torch.equal(world["area"].sort().values, batch["area"].sort().values)
    assert (world["area"] != batch["area"]).float().mean() > 0.9
    assert torch.equal(world["age"], batch["age"])


def test_a_bound_never_pushes_back_a_model_that_is_better():
    bound, excess = Bound(rho=10.0), torch.tensor(-0.3, requires_grad=True)
    term = bound(excess)
    term.backward()
    assert term.item() == 0
    assert excess.grad.item() == 0
    assert bound.multiplier.item() == 0


def test_a_bound_that_is_violated_pushes_ever_harder_and_lets_go():
    bound = Bound(rho=10.0)
    pushes = []
    for _ in range(3):
        excess = torch.tensor(0.2, requires_grad=True)
        bound(excess).backward()
        pushes.append(excess.grad.item())
    assert pushes[0] == pytest.approx(10.0 * 0.2)
    assert pushes[0] < pushes[1] < pushes[2]
    bound(torch.tensor(float("nan")))
    assert bound.multiplier.isfinite()
    for _ in range(20):
        bound(torch.tensor(-0.2))
    assert bound.multiplier.item() == 0


def test_the_bound_keeps_the_solution_at_the_edge_of_what_is_allowed():
    """min (v - 2)² subject to v ≤ 1 has its solution at v = 1, with the multiplier 2."""
    bound, v = Bound(rho=5.0, rate=0.1), torch.zeros((), requires_grad=True)
    optimizer = torch.optim.SGD([v], lr=0.02)
    for _ in range(500):
        optimizer.zero_grad()
        ((v - 2).square() + bound(v - 1)).backward()
        optimizer.step()
    assert v.item() == pytest.approx(1.0, abs=1e-2)
    assert bound.multiplier.item() == pytest.approx(2.0, abs=5e-2)


def test_jitter_changes_exposure_and_place_and_lets_gradients_through():
    images = discs()["x"].requires_grad_()
    seen = jitter(images, 1.0, 0.0, 1.0)
    assert seen.shape == images.shape
    assert 0 <= seen.min() <= seen.max() <= 1
    assert (seen - images).abs().mean() > 0.01
    seen.sum().backward()
    assert images.grad.abs().sum() > 0


def test_what_cannot_be_guided_is_refused(fitted):
    with pytest.raises(ValueError, match="guidance reads nothing"):
        fitted.finetune(discs(), guidance=[])
    broken = discs()
    broken["area"][3] = float("nan")
    with pytest.raises(ValueError, match=r"area, row 3: nan"):
        fitted.finetune(broken, guidance=[Eye()])


def test_only_trainable_gives_back_what_it_took_even_after_an_error():
    part, whole = torch.nn.Linear(1, 1), torch.nn.Sequential(torch.nn.Linear(1, 1))
    whole.append(part)
    part.bias.requires_grad_(False)
    inside = []

    def fail():
        with only_trainable(part, within=[whole]):
            inside.extend(p.requires_grad for p in whole.parameters())
            raise RuntimeError("oops")

    with pytest.raises(RuntimeError, match="oops"):
        fail()
    assert inside == [False, False, True, True]
    assert [p.requires_grad for p in whole.parameters()] == [True, True, True, False]
