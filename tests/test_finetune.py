"""Guided fine-tuning: what it reaches, what it holds, what it leaves alone."""

import pytest
import torch
from test_model import Disc, Threshold, discs

import causalimg as ci
from causalimg.fitting import stillness
from causalimg.fitting.constraint import Bound
from causalimg.fitting.distances import absolute, relative, squared
from causalimg.fitting.finetune import excess_of, only_trainable, warn_if_broken
from causalimg.fitting.guided import Guided
from causalimg.fitting.heed import advice
from causalimg.fitting.imagined import Imagined
from causalimg.fitting.interventions import Drawn, imagine
from causalimg.fitting.jitter import jitter
from causalimg.fitting.likelihood import mean_nll
from causalimg.graph import measure
from causalimg.readers.reader import fingerprint
from causalimg.training.randomness import seeded

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
        return {n: measure(graph, n, {"disc": mask}, images) for n in names}


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
    for metric in ("heed area", "area", "F", "excess", "λ", "violated", "outside", "skipped"):
        assert history.curve(metric)[1]


def test_only_the_image_mechanism_changes(fitted, tmp_path):
    model, eye = copy(fitted, tmp_path), Eye()
    before = {name: {k: v.clone() for k, v in m.state_dict().items()} for name, m in model.mechanisms.items()}
    model.finetune(discs(), guidance=[eye], settings=ci.Finetuning(recipe=ci.Recipe(steps=3, batch=8)))
    for name, mechanism in model.mechanisms.items():
        changed = {
            key.split(".")[0] for key, v in mechanism.state_dict().items() if not torch.equal(v, before[name][key])
        }
        assert changed == ({"answering"} if name == "x" else set())
    assert eye.sharpness.item() == 12.0
    assert eye.sharpness.grad is None
    frozen = [name for name, p in model.named_parameters() if not p.requires_grad]
    assert all("answering" in name for name in frozen)  # as before
    assert eye.sharpness.requires_grad


def guided(model, *guides, **settings):
    """The step of fine-tuning, in train mode, and its columns."""
    step = Guided(model, "x", guides or [Eye()], discs(), ci.Finetuning(**settings)).train()
    return step, step.columns


def told(step, batch):
    with seeded(0, torch.device("cpu")):
        return step(batch)[1]


def count_passes(model, step, batch):
    image = model.mechanisms["x"]
    calls = {"encoder": 0, "decoder": 0}

    def count(part):
        calls[part] += 1

    hooks = [getattr(image, part).register_forward_hook(lambda *_, part=part: count(part)) for part in calls]
    step(batch)
    for hook in hooks:
        hook.remove()
    return calls


def test_a_step_costs_one_encoder_and_two_decoder_passes(fitted):
    assert count_passes(fitted, *guided(fitted)) == {"encoder": 1, "decoder": 2}
    assert count_passes(fitted, *guided(fitted, likely=1.0)) == {"encoder": 2, "decoder": 3}


def test_the_pretrained_model_is_within_its_bound_and_its_excess_is_minus_the_tolerance(fitted):
    step, batch = guided(fitted)
    seen = told(step, batch)
    assert seen["excess"].item() == pytest.approx(-step.slack, abs=0.02 * abs(seen["F"].item()))
    assert seen["λ"].item() == 0


def test_interventions_are_drawn_for_every_row_from_what_was_observed():
    values = discs()
    drawn = ci.Permuted()(values, ["area"])
    assert torch.equal(drawn.values["area"].sort().values, values["area"].sort().values)
    assert (drawn.values["area"] != values["area"]).float().mean() > 0.9
    assert drawn.rows["area"].all()


@pytest.mark.parametrize("at_once", [1, 2])
def test_every_row_has_so_many_variables_set_and_every_variable_its_share_of_rows(at_once):
    drawn = ci.Permuted(at_once=at_once)(discs(), ["age", "sex", "area"])
    rows = torch.stack(list(drawn.rows.values()))
    assert (rows.sum(0) == at_once).all()
    assert (rows.sum(1) == 40 * at_once).all()


def test_uniform_interventions_stay_within_their_range_and_know_their_names():
    drawn = ci.Uniform(ranges={"area": (5.0, 9.0)})(discs(), ["age", "area"])
    assert list(drawn.rows) == ["area"]
    assert 5 <= drawn.values["area"].min() < 6 < 8 < drawn.values["area"].max() <= 9
    with pytest.raises(ValueError, match="Did you mean 'area'"):
        ci.Uniform(ranges={"aera": (0.0, 1.0)})(discs(), ["age", "area"])


def test_a_sampler_of_ones_own_decides_what_is_set(fitted):
    def bigger(values, names):
        assert names == ["area"]
        return Drawn({"area": values["area"] + 50}, {"area": values["sex"] == 1})

    seen = []
    step, batch = guided(fitted, Eye(), lambda imagined: seen.append(imagined) or imagined.image.sum((1, 2, 3)))
    step.settings = ci.Finetuning(interventions=bigger)
    step(batch)
    male = batch["sex"] == 1
    assert torch.equal(seen[0].world["area"], batch["area"] + 50 * male)
    assert torch.equal(seen[0].moved["area"], male)
    assert not seen[0].moved["age"].any()


def test_an_intervention_propagates_and_what_does_not_follow_keeps_its_value_exactly(fitted):
    values = discs()
    older = torch.arange(120) % 2 == 0
    drawn = Drawn({"age": values["age"] + 20}, {"age": older})
    world, moved = imagine(fitted, values, drawn, ["age", "sex", "area"])
    assert torch.equal(moved["area"], older)
    assert (world["area"][older] - values["area"][older]).abs().mean() > 1
    assert torch.equal(world["area"][~older], values["area"][~older])
    assert torch.equal(world["sex"], values["sex"])
    with pytest.raises(ValueError, match="Did you mean 'age'"):
        imagine(fitted, values, Drawn({"aeg": values["age"]}, {"aeg": older}), ["age", "sex", "area"])


class Pair(ci.Graph):
    """Two areas without a common effect but the image, and a level that is neither's effect."""

    kind = ci.Categorical(levels=("plain", "marked"))
    disc = ci.Continuous(unit="px", bounds=(0, None), measured=ci.Area("disc"))
    ring = ci.Continuous(unit="px", bounds=(0, None), measured=ci.Area("ring"))
    x = ci.Image(parents=[kind, disc, ring], shape=(1, 16, 16))


class Biased(ci.Reader):
    """Reads 7 px whatever it sees, and 80 % of the first level."""

    def can_read(self, graph):
        return ("kind", "disc", "ring")

    def read(self, images, graph, names, *, soft=False):
        nothing = 0 * images.mean((1, 2, 3))
        level = (nothing[:, None] + torch.tensor([0.8, 0.2])).log() if soft else nothing.long()
        return {name: level if name == "kind" else nothing + 7 for name in names}


@pytest.fixture(scope="module")
def pair():
    values = {"kind": torch.arange(40) % 2, "disc": torch.arange(40.0), "ring": torch.arange(40.0).flip(0)}
    values["x"] = torch.rand(40, 1, 16, 16)
    torch.manual_seed(0)
    return ci.compile(Pair, x=ci.HVAE(widths=(8, 16), latents=(0, 4), embedding=16)), values


def losses_of(pair, guidance, **settings):
    model, values = pair
    step = Guided(
        model, "x", [guidance], values, ci.Finetuning(exposure=0, locality=0, minimality=0, **settings)
    ).train()
    return told(step, step.columns), values


def only_disc(values, names):
    return Drawn({"disc": values["disc"] + 1}, {"disc": torch.ones(len(values["disc"]), dtype=torch.bool)})


def test_what_is_not_moved_is_held_at_the_readers_own_answer_whether_or_not_it_is_an_effect_of_anything(pair):
    """A reader that is wrong about what stays asks for nothing there: neither of a number, nor of a level."""
    seen, values = losses_of(pair, Biased(), interventions=only_disc)
    spread = values["disc"].std()
    assert seen["ring"].item() == pytest.approx(0, abs=1e-6)
    assert seen["disc"].item() == pytest.approx(((7 - values["disc"] - 1) / spread).square().mean().item(), rel=1e-4)
    assert seen["kind"].item() == pytest.approx(-(0.8 * torch.tensor(0.8).log() + 0.2 * torch.tensor(0.2).log()).item())


def test_hard_targets_hold_at_the_value_in_the_table(pair):
    seen, values = losses_of(pair, ci.Guidance(Biased(), targets="hard"), interventions=only_disc)
    assert seen["ring"].item() == pytest.approx(((7 - values["ring"]) / values["ring"].std()).square().mean().item())
    assert seen["kind"].item() == pytest.approx(-torch.tensor([0.8, 0.2]).log().mean().item())


def test_a_weight_weighs_and_holding_weighs_what_stays_alone(pair):
    once, _ = losses_of(pair, ci.Guidance(Biased(), targets="hard"), interventions=only_disc)
    thrice, _ = losses_of(pair, ci.Guidance(Biased(), targets="hard", weight=3.0), interventions=only_disc)
    held, _ = losses_of(pair, ci.Guidance(Biased(), targets="hard"), interventions=only_disc, hold=2.0)
    assert all(thrice[name] == pytest.approx(3 * once[name].item()) for name in ("disc", "ring", "kind"))
    assert held["ring"] == pytest.approx(2 * once["ring"].item())
    assert held["disc"] == once["disc"]


def test_guidance_names_its_variables_and_its_distance(pair):
    seen, values = losses_of(pair, ci.Guidance(Biased(), ["disc"], distance=absolute), interventions=only_disc)
    assert "ring" not in seen
    expected = ((7 - values["disc"] - 1) / values["disc"].std()).abs().mean().item()
    assert seen["disc"].item() == pytest.approx(expected, rel=1e-4)
    with pytest.raises(ValueError, match="Did you mean 'disc'"):
        losses_of(pair, ci.Guidance(Biased(), ["disk"]))
    with pytest.raises(ValueError, match="weight of a guidance must be positive"):
        ci.Guidance(Biased(), weight=0)
    with pytest.raises(ValueError, match="Did you mean 'soft'"):
        ci.Guidance(Biased(), targets="sofd")


def test_distances_are_in_spreads_or_relative():
    reading, target, spread = torch.tensor([3.0, 9.0]), torch.tensor([1.0, 10.0]), torch.tensor(2.0)
    assert torch.allclose(squared(reading, target, spread), torch.tensor([1.0, 0.25]))
    assert torch.allclose(absolute(reading, target, spread), torch.tensor([1.0, 0.5]))
    assert torch.allclose(relative(reading, target, spread), torch.tensor([(2 / 1.4) ** 2, (1 / 10.4) ** 2]))


def test_several_guides_of_one_variable_and_guidance_of_ones_own_add_up(fitted):
    def blackness(imagined):
        return 1 - imagined.image.mean((1, 2, 3))

    step, batch = guided(fitted, Eye(), ci.Guidance(Eye(), weight=2.0), blackness, exposure=0)
    seen = told(step, batch)
    assert seen["area (2)"].item() == pytest.approx(2 * seen["area"].item(), rel=1e-5)
    assert 0 < seen["blackness"].item() < 1
    with seeded(0, torch.device("cpu")):
        loss = step(batch)[0].item()
    expected = sum(seen[name].item() for name in ("area", "area (2)", "blackness", "change", "outside"))
    assert loss == pytest.approx(expected, abs=1e-3)  # F is within its bound: nothing else


def imagined(before, after, was, image, moved=True):
    """A disc that goes from mask `before` to `after`, in one item."""
    factual = {"area": before.sum()[None].float(), "x": was[None, None]}
    return Imagined(
        Disc(),
        "x",
        image[None, None],
        factual,
        {"area": after.sum()[None].float()},
        {"area": torch.tensor([moved])},
        {"disc": before[None]},
        lambda _: {"disc": after[None]},
    )


def square(low, high):
    mask = torch.zeros(16, 16, dtype=torch.bool)
    mask[low:high, low:high] = True
    return mask


def test_change_outside_counts_what_lies_beyond_both_outlines_and_their_margin():
    before, after = square(6, 10), square(4, 12)
    was, image = torch.zeros(16, 16), torch.zeros(16, 16)
    image[after] = 1.0
    assert stillness.outside(imagined(before, after, was, image), 0.0).item() == 0
    image[0, 0], image[3, 3] = 0.5, -0.5
    assert stillness.outside(imagined(before, after, was, image), 0.0).item() == pytest.approx(1 / 256)
    assert stillness.outside(imagined(before, after, was, image), 1 / 16).item() == pytest.approx(0.5 / 256)
    nothing = imagined(before, after, was, image, moved=False)
    assert stillness.outside(nothing, 0.0).item() == pytest.approx((image - was).abs().mean().item())


def test_change_counts_every_pixel():
    before = square(6, 10)
    assert stillness.change(imagined(before, before, torch.zeros(16, 16), before.float())).item() == 16 / 256


def test_grey_lets_an_outline_move_but_not_its_exposure():
    before, after = square(6, 10), square(4, 12)
    assert stillness.grey(imagined(before, after, before.float(), after.float())).item() == 0
    dark = imagined(before, after, before.float(), 0.7 * after.float())
    assert stillness.grey(dark).item() == pytest.approx(0.3)
    gone = imagined(before, torch.zeros_like(before), before.float(), torch.zeros(16, 16))
    assert stillness.grey(gone).item() == pytest.approx(1.0)


def test_the_guide_sees_the_pixels_noise_at_the_temperature(fitted):
    worlds = {}
    for tau in (0.0, 1.0):
        step, batch = guided(fitted, Eye(), lambda i, tau=tau: worlds.setdefault(tau, i).image.mean((1, 2, 3)))
        step.settings = ci.Finetuning(temperature=tau, interventions=lambda values, names: Drawn({}, {}))
        told(step, batch)
    assert (worlds[1.0].image - batch["x"]).abs().max() < 1e-5
    assert (worlds[0.0].image - batch["x"]).abs().max() > 0.05


def test_the_history_says_how_far_the_image_heeded_its_causes_and_advice_is_given_where_it_did_not(fitted, tmp_path):
    model = copy(fitted, tmp_path)
    history = model.finetune(discs(), guidance=[Eye()], settings=ci.Finetuning(recipe=ci.Recipe(steps=3, batch=8)))
    slope = history.rows[0]["heed area"]
    assert slope == pytest.approx(fitted.heed({k: v[:64] for k, v in discs().items()}, [Eye()])["area"], abs=0.05)
    assert "hardly heeds area" in advice({"area": 0.01, "ring": 0.9})
    assert "ring" not in advice({"area": 0.01, "ring": 0.9})


def test_a_mechanism_that_heeds_its_cause_has_a_slope_of_one():
    model = ci.compile(Disc, Threshold(), x=ci.HVAE(widths=(8, 16), latents=(0, 4), embedding=16))
    values = discs()
    model.mechanisms["x"].predict = lambda u, parents: draw(parents["area"])
    assert model.heed(values)["area"] == pytest.approx(1.0, abs=0.05)
    model.mechanisms["x"].predict = lambda u, parents: values["x"]
    assert model.heed(values)["area"] == 0


def draw(area):
    y, x = torch.meshgrid(torch.arange(16) - 7.5, torch.arange(16) - 7.5, indexing="ij")
    return torch.sigmoid(2 * ((area[:, None, None] / torch.pi).sqrt() - (x**2 + y**2).sqrt()))[:, None]


def test_a_bound_that_was_not_held_is_said(fitted):
    history = ci.History(({"step": 50, "violated": 0.75},))
    with pytest.warns(UserWarning, match=r"was not held: F is 0.25 nats .*violated in 75% of the last steps"):
        warn_if_broken("x", 0.25, history, 0.01)
    warn_if_broken("x", -0.001, history, 0.01)


def test_the_excess_of_untouched_weights_is_minus_the_tolerance_exactly_and_that_of_spoilt_ones_is_not(
    fitted, tmp_path
):
    model = copy(fitted, tmp_path)
    step, _ = guided(model)
    assert excess_of(step) == pytest.approx(-step.slack, abs=1e-6)
    with torch.no_grad():
        model.mechanisms["x"].decoder.to_pixels[-1].bias.add_(1.0)
    assert excess_of(step) > 0.1


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
        with only_trainable([part], within=[whole]):
            inside.extend(p.requires_grad for p in whole.parameters())
            raise RuntimeError("oops")

    with pytest.raises(RuntimeError, match="oops"):
        fail()
    assert inside == [False, False, True, True]
    assert [p.requires_grad for p in whole.parameters()] == [True, True, True, False]
