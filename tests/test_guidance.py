"""Guided fine-tuning: what it reaches, what it holds, what it leaves alone."""

from functools import partial

import pytest
import torch
from pydantic import Field
from strategies import as_if_fitted
from test_model import Disc, Threshold, discs

import causalimg as ci
from causalimg.fit import row_losses
from causalimg.graph import measure
from causalimg.guidance.bound import Bound, Constraint
from causalimg.guidance.distances import absolute, relative, squared
from causalimg.guidance.finetune import (
    allowed_bound,
    check,
    excess_of,
    expand,
    guided_image,
    moved_parents,
    only_trainable,
    warn_if_broken,
)
from causalimg.guidance.imagined import Imagined
from causalimg.guidance.sensitivity import Sensitivity, advice, rows_to_ask
from causalimg.guidance.step import BROKEN, GuidedStep
from causalimg.guidance.view import jitter
from causalimg.readers.reader import fingerprint
from causalimg.training.randomness import seeded

QUICK = ci.Recipe(steps=40, batch=64, lr=5e-3, warmup=5)
TUNE = ci.Recipe(steps=150, batch=32, lr=3e-3, warmup=5)
TINY = ci.HVAE(widths=(8, 16), latents=(0, 4), embedding=16)
EDITED = ci.Edited(base=TINY, edit=ci.Deform(widths=(16, 16), basis=16, embedding=16))
OPTIONS = {"sampler": ci.Permuted(), "view": ci.View(), "bound": None}


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
    model = ci.compile(Disc, x=EDITED)
    recipe = ci.Recipe(steps=100, batch=32, lr=5e-3, warmup=5)
    model.fit(discs(), age=QUICK, sex=QUICK, area=QUICK, x=recipe)
    return model


@pytest.fixture(scope="module")
def plain(fitted):
    """The same model without an edit: fine-tuning trains what was fitted."""
    model = ci.compile(Disc, x=TINY)
    for name, mechanism in model.mechanisms.items():
        mechanism.load_state_dict(fitted.mechanisms[name].unwrapped.state_dict())
    return model


def copy(model, folder):
    model.save(folder)
    return ci.CausalModel.load(folder)


def miss(model, world):
    """Mean distance of the area that is seen to the area that was asked for, in pixels."""
    target = world["area"].flip(0)
    seen = Threshold().read(model.do(world, area=target)["x"], model.graph, ["area"])["area"]
    return (seen - target).abs().mean().item()


def test_fine_tuning_meets_its_targets_and_costs_no_likelihood(fitted, tmp_path):
    model, eye, test = copy(fitted, tmp_path), Eye(), discs(seed=1)
    before, likelihood = miss(model, test), row_losses(model.mechanisms["x"], "x", test)
    history = model.finetune(discs(), discs(60, seed=2), guidance=[eye], recipe=TUNE)
    assert miss(model, test) < 0.5 * before
    assert torch.equal(row_losses(model.mechanisms["x"], "x", test), likelihood)
    assert model.guided_by == [fingerprint(eye)]
    for metric in ("sensitivity area", "area", "hold area", "minimality", "locality", "skipped"):
        assert history.curve(metric)[1]


def test_fine_tuning_of_what_was_fitted_meets_its_targets_within_the_bound(plain, tmp_path):
    model, test = copy(plain, tmp_path), discs(seed=1)
    before, likelihood = miss(model, test), row_losses(model.mechanisms["x"], "x", test).mean().item()
    history = model.finetune(discs(), discs(60, seed=2), guidance=[Eye()], recipe=TUNE)
    assert miss(model, test) < 0.9 * before
    assert row_losses(model.mechanisms["x"], "x", test).mean().item() < likelihood + 0.05 * abs(likelihood)
    for metric in ("F", "excess", "λ", "violated"):
        assert history.curve(metric)[1]


def test_only_the_edit_changes(fitted, tmp_path):
    model, eye = copy(fitted, tmp_path), Eye()
    before = {name: {k: v.clone() for k, v in m.state_dict().items()} for name, m in model.mechanisms.items()}
    model.finetune(discs(), guidance=[eye], recipe=ci.Recipe(steps=3, batch=8))
    for name, mechanism in model.mechanisms.items():
        changed = {
            key.split(".")[0] for key, v in mechanism.state_dict().items() if not torch.equal(v, before[name][key])
        }
        assert changed == ({"edit"} if name == "x" else set())
    assert eye.sharpness.item() == 12.0
    assert eye.sharpness.grad is None
    assert all(p.requires_grad for p in model.parameters())  # as before
    assert eye.sharpness.requires_grad


def guided(model, *guidance, **options):
    """The step of fine-tuning, in train mode, and its data."""
    terms = expand(model.graph, guidance or [Eye()])
    step = GuidedStep(model, "x", terms, discs(), **(OPTIONS | options)).train()
    return step, step.data


def told(step, batch):
    with seeded(0, torch.device("cpu")):
        return step(batch)[1]


def count_passes(mechanism, step, batch):
    calls = {"encoder": 0, "decoder": 0}

    def count(part):
        calls[part] += 1

    hooks = [getattr(mechanism, part).register_forward_hook(lambda *_, part=part: count(part)) for part in calls]
    step(batch)
    for hook in hooks:
        hook.remove()
    return calls


def test_a_step_costs_one_encoder_and_two_decoder_passes(fitted, plain):
    image = fitted.mechanisms["x"].base
    assert count_passes(image, *guided(fitted)) == {"encoder": 1, "decoder": 2}
    assert count_passes(image, *guided(fitted, Eye(), ci.Plausibility())) == {"encoder": 3, "decoder": 4}
    assert count_passes(plain.mechanisms["x"], *guided(plain, bound=Bound())) == {"encoder": 1, "decoder": 2}


def test_the_fitted_model_is_within_its_bound_and_its_excess_is_minus_the_tolerance(plain):
    step, batch = guided(plain, bound=Bound())
    seen = told(step, batch)
    assert seen["excess"].item() == pytest.approx(-step.slack, abs=0.02 * abs(seen["F"].item()))
    assert seen["λ"].item() == 0


def test_a_bound_is_there_where_fitted_weights_are_trained_and_refused_where_it_can_do_nothing(fitted, plain):
    edited, image = fitted.mechanisms["x"], plain.mechanisms["x"]
    assert allowed_bound("x", image, image.prepare_finetuning(["area"]), None) == Bound()
    assert allowed_bound("x", image, image, Bound(tolerance=0.1)) == Bound(tolerance=0.1)
    assert allowed_bound("x", edited, edited.edit, None) is None
    with pytest.raises(ValueError, match=r"a bound can do nothing here. Fine-tuning trains the Deform of Edited alone"):
        fitted.finetune(discs(), guidance=[Eye()], bound=Bound())


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


class Spy(ci.Term):
    """Keeps what it is shown."""

    seen: list = Field(default_factory=list)

    def __call__(self, imagined):
        self.seen.append(imagined)
        return imagined.image.mean((1, 2, 3))


def test_a_sampler_of_ones_own_decides_what_is_set(fitted):
    def bigger(values, names):
        assert names == ["area"]
        return ci.Drawn({"area": values["area"] + 50}, {"area": values["sex"] == 1})

    spy = Spy()
    step, batch = guided(fitted, Eye(), spy, sampler=bigger)
    step(batch)
    (imagined,), male = spy.seen, batch.values["sex"] == 1
    assert torch.equal(imagined.world["area"], batch.values["area"] + 50 * male)
    assert torch.equal(imagined.moved["area"], male)
    assert not imagined.moved["age"].any()


def test_an_intervention_propagates_and_what_does_not_follow_keeps_its_value_exactly(fitted):
    values = discs()
    older = torch.arange(120) % 2 == 0
    step, _ = guided(fitted, sampler=lambda v, names: ci.Drawn({"age": v["age"] + 20}, {"age": older}))
    world, moved = step.intervene(values)
    assert torch.equal(moved["area"], older)
    assert (world["area"][older] - values["area"][older]).abs().mean() > 1
    assert torch.equal(world["area"][~older], values["area"][~older])
    assert torch.equal(world["sex"], values["sex"])
    step, _ = guided(fitted, sampler=lambda v, names: ci.Drawn({"aeg": v["age"]}, {"aeg": older}))
    with pytest.raises(ValueError, match="Did you mean 'age'"):
        step.intervene(values)


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
    return ci.compile(Pair, x=TINY), values


def losses_of(pair, *guidance, **options):
    model, values = pair
    step = GuidedStep(model, "x", expand(model.graph, guidance), values, **(OPTIONS | options)).train()
    return told(step, step.data), values


def only_disc(values, names):
    return ci.Drawn({"disc": values["disc"] + 1}, {"disc": torch.ones(len(values["disc"]), dtype=torch.bool)})


def both(reader, **settings):
    return ci.Target(reader, **settings), ci.Hold(reader, **settings)


def test_what_is_not_moved_is_held_at_the_readers_own_answer_whether_or_not_it_is_an_effect_of_anything(pair):
    """A reader that is wrong about what stays asks for nothing there: neither of a number, nor of a level."""
    seen, values = losses_of(pair, *both(Biased()), sampler=only_disc)
    spread = values["disc"].std()
    assert seen["hold ring"].item() == pytest.approx(0, abs=1e-6)
    assert seen["disc"].item() == pytest.approx(((7 - values["disc"] - 1) / spread).square().mean().item(), rel=1e-4)
    entropy = -(0.8 * torch.tensor(0.8).log() + 0.2 * torch.tensor(0.2).log()).item()
    assert seen["hold kind"].item() == pytest.approx(entropy)
    assert seen["ring"].item() == seen["kind"].item() == seen["hold disc"].item() == 0


def test_hard_targets_hold_at_the_value_in_the_table(pair):
    seen, values = losses_of(pair, ci.Target(Biased()), ci.Hold(Biased(), targets="hard"), sampler=only_disc)
    expected = ((7 - values["ring"]) / values["ring"].std()).square().mean().item()
    assert seen["hold ring"].item() == pytest.approx(expected)
    assert seen["hold kind"].item() == pytest.approx(-torch.tensor([0.8, 0.2]).log().mean().item())


def test_a_weight_weighs_its_term_alone(pair):
    once, _ = losses_of(pair, ci.Target(Biased()), ci.Hold(Biased(), targets="hard"), sampler=only_disc)
    held, _ = losses_of(pair, ci.Target(Biased()), ci.Hold(Biased(), targets="hard", weight=3.0), sampler=only_disc)
    assert all(held[f"hold {name}"] == pytest.approx(3 * once[f"hold {name}"].item()) for name in ("ring", "kind"))
    assert held["disc"] == once["disc"] > 0


def test_a_target_names_its_variables_and_its_distance(pair):
    seen, values = losses_of(pair, ci.Target(Biased(), ["disc"], absolute), sampler=only_disc)
    assert list(seen) == ["disc"]
    expected = ((7 - values["disc"] - 1) / values["disc"].std()).abs().mean().item()
    assert seen["disc"].item() == pytest.approx(expected, rel=1e-4)
    with pytest.raises(ValueError, match="Did you mean 'disc'"):
        pair[0].finetune(pair[1], guidance=[ci.Target(Biased(), ["disk"])])
    for weight in (0, -1.0, float("nan"), float("inf")):
        with pytest.raises(ValueError, match="Target.weight: Input should be"):
            ci.Target(Biased(), weight=weight)
    with pytest.raises(ValueError, match="Did you mean 'soft'"):
        ci.Hold(Biased(), targets="sofd")


def test_a_reader_alone_stands_for_the_preset(pair):
    labels = [term.label for term in expand(pair[0].graph, [Biased()])]
    targets, holds = ["kind", "disc", "ring"], ["hold kind", "hold disc", "hold ring"]
    assert labels == [*targets, *holds, "minimality", "locality"]
    assert labels == [one.label for term in ci.preset(Biased()) for one in term.expanded(pair[0].graph)]
    weights = {term.label: term.weight for term in expand(pair[0].graph, [Biased()])}
    assert (weights["disc"], weights["hold ring"], weights["minimality"], weights["locality"]) == (1, 1, 5, 20)


def test_explicit_terms_are_all_there_is(pair):
    assert [term.label for term in expand(pair[0].graph, [ci.Target(Biased(), ["disc"])])] == ["disc"]


def test_two_terms_of_one_label_are_refused_and_nothing_is_lost(pair):
    """A guided variable called like a term, or two of one kind: the second would silently replace the first."""

    class Disc(ci.Term):
        def __call__(self, imagined):
            return imagined.image.mean((1, 2, 3))

    with pytest.raises(ValueError, match="two terms are called 'disc': give one of them another label"):
        expand(pair[0].graph, [ci.Target(Biased()), Disc()])
    with pytest.raises(
        ValueError, match="two terms are called 'minimality'.* a reader in the list brings kind, .*locality"
    ):
        expand(pair[0].graph, [Biased(), ci.Minimality()])
    seen, _ = losses_of(pair, ci.Target(Biased()), Disc(label="mean"), sampler=only_disc)
    assert seen["disc"] > 0
    assert seen["mean"] > 0
    named = expand(pair[0].graph, [ci.Target(Biased(), label="first"), ci.Target(Biased(), ["ring"], label="second")])
    assert [term.label for term in named] == ["first kind", "first disc", "first ring", "second"]


def test_what_guides_is_a_reader_or_a_term(pair):
    with pytest.raises(TypeError, match="guidance: expected Reader or Term, got function"):
        expand(pair[0].graph, [Biased(), lambda imagined: imagined.image.mean((1, 2, 3))])


def test_distances_are_in_spreads_or_relative():
    reading, target, spread = torch.tensor([3.0, 9.0]), torch.tensor([1.0, 10.0]), torch.tensor(2.0)
    assert torch.allclose(squared(reading, target, spread), torch.tensor([1.0, 0.25]))
    assert torch.allclose(absolute(reading, target, spread), torch.tensor([1.0, 0.5]))
    assert torch.allclose(relative(reading, target, spread), torch.tensor([(2 / 1.4) ** 2, (1 / 10.4) ** 2]))


class Blackness(ci.Term):
    """Guidance of one's own."""

    def __call__(self, imagined):
        return 1 - imagined.image.mean((1, 2, 3))


def test_several_guides_of_one_variable_and_terms_of_ones_own_add_up(fitted):
    other = ci.Target(Eye(), weight=2.0, label="other")
    step, batch = guided(fitted, Eye(), Eye(), other, Blackness(), view=ci.View(jitter=0))
    seen = told(step, batch)
    assert seen["area (2)"].item() == pytest.approx(seen["area"].item(), rel=1e-5)
    assert seen["other"].item() == pytest.approx(2 * seen["area"].item(), rel=1e-5)
    assert 0 < seen["blackness"].item() < 1
    with seeded(0, torch.device("cpu")):
        loss = step(batch)[0].item()
    assert loss == pytest.approx(sum(value.item() for value in seen.values()), abs=1e-3)
    assert len(seen) == 8


def imagined(before, after, was, image, moved=True, graph=None, losses=(0.0, 0.0)):
    """A disc that goes from mask `before` to `after`, in one item."""
    return Imagined(
        graph=graph or Disc(),
        name="x",
        image=image[None, None],
        factual={"area": before.sum()[None].float(), "x": was[None, None]},
        world={"area": after.sum()[None].float()},
        moved={"area": torch.tensor([moved])},
        before={"disc": before[None]},
        spread={},
        outline=lambda _: {"disc": after[None]},
        readings=lambda reader: {},
        held=lambda reader: {},
        losses=lambda: tuple(torch.tensor([loss]) for loss in losses),
    )


def square(low, high):
    mask = torch.zeros(16, 16, dtype=torch.bool)
    mask[low:high, low:high] = True
    return mask


def test_change_outside_counts_what_lies_beyond_both_outlines_and_their_margin():
    before, after = square(6, 10), square(4, 12)
    was, image = torch.zeros(16, 16), torch.zeros(16, 16)
    image[after] = 1.0
    assert ci.Locality(margin=0.0)(imagined(before, after, was, image)).item() == 0
    image[0, 0], image[3, 3] = 0.5, -0.5
    assert ci.Locality(margin=0.0)(imagined(before, after, was, image)).item() == pytest.approx(1 / 256)
    assert ci.Locality(margin=1 / 16)(imagined(before, after, was, image)).item() == pytest.approx(0.5 / 256)
    unknown = imagined(before, after, was, image, moved=False)  # of what moved nothing is outlined
    assert ci.Locality(margin=0.0)(unknown).item() == 0


def test_change_counts_every_pixel():
    before = square(6, 10)
    assert ci.Minimality()(imagined(before, before, torch.zeros(16, 16), before.float())).item() == 16 / 256


def test_grey_lets_an_outline_move_but_not_its_exposure():
    before, after = square(6, 10), square(4, 12)
    assert ci.Grey()(imagined(before, after, before.float(), after.float())).item() == 0
    dark = imagined(before, after, before.float(), 0.7 * after.float())
    assert ci.Grey()(dark).item() == pytest.approx(0.3)
    gone = imagined(before, torch.zeros_like(before), before.float(), torch.zeros(16, 16))
    assert ci.Grey()(gone).item() == pytest.approx(1.0)


def test_change_is_counted_in_shares_of_the_grey_range():
    graph = ci.Graph.of(
        area=ci.Continuous(unit="px", measured=ci.Area("disc")),
        x=ci.Image(parents=["area"], shape=(1, 16, 16), bounds=(-1000, 1000)),
    )
    before, image = square(6, 10), torch.full((16, 16), 200.0)
    assert ci.Minimality()(imagined(before, before, torch.zeros(16, 16), image, graph=graph)).item() == pytest.approx(
        0.1
    )


def test_plausibility_costs_what_is_less_likely_than_the_factual_image_and_nothing_else():
    mask, image = square(6, 10), torch.zeros(16, 16)
    cost = [ci.Plausibility()(imagined(mask, mask, image, image, losses=(-1.0, loss))) for loss in (-0.7, -1.2)]
    assert torch.cat(cost).tolist() == pytest.approx([0.3, 0.0])


def test_plausibility_asks_what_was_fitted_with_the_same_draws(fitted):
    step, batch = guided(fitted, Eye(), ci.Plausibility())
    before, after = step._losses(batch.values, batch.values)
    assert torch.equal(before, after.detach())
    noisy = batch.values | {"x": torch.rand_like(batch.values["x"])}
    before, after = step._losses(batch.values, noisy)
    assert (after > before).all()


def hardly(values, names):
    """Sets every area to nearly what it was."""
    return ci.Drawn({"area": values["area"] + 1e-3}, {"area": torch.ones(len(values["area"]), dtype=torch.bool)})


def test_the_guide_sees_the_pixels_noise_at_the_temperature(fitted):
    worlds = {}
    for tau in (0.0, 1.0):
        spy = Spy()
        step, batch = guided(fitted, Eye(), spy, view=ci.View(temperature=tau), sampler=hardly)
        told(step, batch)
        worlds[tau] = spy.seen[0].image
    assert (worlds[1.0] - batch.values["x"]).abs().max() < 1e-3
    assert (worlds[0.0] - batch.values["x"]).abs().max() > 0.05  # near the disc: elsewhere nothing may change


class Watcher(ci.Reader):
    """Keeps the images it is asked about, by variable."""

    def can_read(self, graph):
        return tuple(graph.measured)

    def read(self, images, graph, names, *, soft=False):
        self.shown = getattr(self, "shown", {}) | {name: images.detach() for name in names}
        return {name: images.mean((1, 2, 3)) for name in names}


class Bright(ci.Graph):
    """An area, which exposure leaves as it is, and a brightness, which is exposure."""

    area = ci.Continuous(unit="px", bounds=(0, None), measured=ci.Area("disc"))
    grey = ci.Continuous(unit="grey", bounds=(0, 1), measured=ci.MeanIntensity("disc"))
    x = ci.Image(parents=[area, grey], shape=(1, 16, 16))


def test_what_a_jitter_would_change_is_read_without_it():
    values = {"area": torch.rand(20), "grey": torch.rand(20), "x": torch.rand(20, 1, 16, 16)}
    model, watcher, spy = ci.compile(Bright, x=TINY), Watcher(), Spy()
    step = GuidedStep(model, "x", expand(Bright(), [*both(watcher), spy]), values, **OPTIONS)
    step(step.data)
    image = spy.seen[0].image
    assert torch.equal(watcher.shown["grey"], image)
    assert (watcher.shown["area"] - image).abs().mean() > 0.01


def test_outlines_are_what_any_guide_says(fitted):
    class Blind(Eye):
        def masks(self, images):
            return {"disc": torch.zeros_like(images[:, 0], dtype=torch.bool)}

    for guides in ([Eye(), Blind()], [Blind(), Eye()]):
        _, batch = guided(fitted, *guides)
        assert torch.equal(batch.outlines["disc"], batch.values["x"][:, 0] > 0.5)


@pytest.mark.filterwarnings("ignore:the guide .* reads:UserWarning")  # random images show no area
def test_an_edit_answers_to_what_is_set_and_to_what_follows_from_it(fitted, tmp_path):
    graph = ci.Graph.of(
        sex=ci.Categorical(levels=("f", "m")),
        area=ci.Continuous(parents=["sex"], unit="px", measured=ci.Area("disc")),
        fat=ci.Continuous(parents=["area"]),
        x=ci.Image(parents=["sex", "area", "fat"], shape=(1, 16, 16)),
    )
    terms = expand(graph, [Eye()])
    assert guided_image(graph, terms) == "x"
    assert moved_parents(graph, "x", terms) == ["area", "fat"]
    values = {"sex": torch.arange(12) % 2, "area": torch.arange(12.0), "fat": torch.rand(12)}
    model = as_if_fitted(ci.compile(graph, x=EDITED))
    model.finetune(values | {"x": torch.rand(12, 1, 16, 16)}, guidance=[Eye()], recipe=ci.Recipe(steps=2, batch=8))
    assert model.mechanisms["x"].edit.answers.tolist() == [0, 0, 1, 1]


def test_weights_that_break_the_bound_are_not_chosen(plain, tmp_path):
    model = copy(plain, tmp_path)
    step, _ = guided(model, bound=Bound(tolerance=0.0))
    held, terms = step.held(discs(60, seed=2)), step.terms
    with torch.no_grad():
        before = step.eval().validate(held)
        model.mechanisms["x"].decoder.to_pixels[-1].bias.add_(1.0)
        broken = step.validate(held)
        step.constraint, step.terms = None, terms
        guidance_alone = step.validate(held)
    excess = (row_losses(step.mechanism, "x", held.values) - held.fitted["loss"]).mean().item()
    assert broken > before
    assert broken - guidance_alone == pytest.approx(BROKEN * excess, rel=0.05)
    assert broken - guidance_alone > 10 * excess  # far more than guidance could gain


def test_the_history_says_the_sensitivity_before_and_advice_is_given_where_there_was_none(fitted, tmp_path):
    model = copy(fitted, tmp_path)
    history = model.finetune(discs(), guidance=[Eye()], recipe=ci.Recipe(steps=3, batch=8))
    slope = history.rows[0]["sensitivity area"]
    assert slope == pytest.approx(fitted.sensitivity(rows_to_ask(discs()), [Eye()])["area"].slope, abs=0.05)
    said = advice({"area": Sensitivity(0.01, 0.0), "ring": Sensitivity(0.9, 0.1), "sex": Sensitivity(None, 0.0)})
    assert "hardly follows area" in said
    assert "ring" not in said
    assert "sex" not in said


def test_a_mechanism_that_follows_its_cause_has_a_sensitivity_of_one():
    model = as_if_fitted(ci.compile(Disc, Threshold(), x=TINY))
    values = discs()
    model.mechanisms["x"].predict = lambda u, parents: draw(parents["area"])
    assert model.sensitivity(values)["area"].slope == pytest.approx(1.0, abs=0.05)
    model.mechanisms["x"].predict = lambda u, parents: draw(torch.full_like(parents["area"], 60.0))
    assert model.sensitivity(values)["area"].slope == 0


def draw(area):
    y, x = torch.meshgrid(torch.arange(16) - 7.5, torch.arange(16) - 7.5, indexing="ij")
    return torch.sigmoid(2 * ((area[:, None, None] / torch.pi).sqrt() - (x**2 + y**2).sqrt()))[:, None]


def test_a_bound_that_was_not_held_is_warned_of():
    history = ci.History(({"step": 50, "violated": 0.75},))
    with pytest.warns(UserWarning, match=r"was not held: F is 0.25 nats .*violated in 75% of the last steps"):
        warn_if_broken("x", 0.25, history, 0.01)
    warn_if_broken("x", -0.001, history, 0.01)


def test_the_excess_of_untouched_weights_is_minus_the_tolerance_exactly_and_that_of_spoilt_ones_is_not(plain, tmp_path):
    model = copy(plain, tmp_path)
    step, _ = guided(model, bound=Bound())
    assert excess_of(step) == pytest.approx(-step.slack, abs=1e-6)
    with torch.no_grad():
        model.mechanisms["x"].decoder.to_pixels[-1].bias.add_(1.0)
    assert excess_of(step) > 0.1


def test_a_bound_never_pushes_back_a_model_that_is_better():
    bound, excess = Constraint(Bound(rho=10.0)), torch.tensor(-0.3, requires_grad=True)
    term = bound(excess)
    term.backward()
    assert term.item() == 0
    assert excess.grad.item() == 0
    assert bound.multiplier.item() == 0


def test_a_bound_that_is_violated_pushes_ever_harder_and_lets_go():
    bound = Constraint(Bound(rho=10.0))
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
    bound, v = Constraint(Bound(rho=5.0, rate=0.1)), torch.zeros((), requires_grad=True)
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
        with only_trainable(part, within=whole):
            inside.extend(p.requires_grad for p in whole.parameters())
            raise RuntimeError("oops")

    with pytest.raises(RuntimeError, match="oops"):
        fail()
    assert inside == [False, False, True, True]
    assert [p.requires_grad for p in whole.parameters()] == [True, True, True, False]


def test_a_refused_call_changes_nothing(fitted, tmp_path):
    model = copy(as_if_fitted(ci.compile(Disc, x=EDITED)), tmp_path)
    for wrong in (
        {"bound": Bound()},
        {"guidance": [ci.Target(Eye(), ["aera"])]},
        {"guidance": [Eye(), ci.Minimality()]},
    ):
        with pytest.raises(ValueError, match="a bound can do nothing|Did you mean 'area'|two terms"):
            model.finetune(discs(), **({"guidance": [Eye()]} | wrong))
    assert model.mechanisms["x"].edit.answers.sum() == 0
    assert model.guided_by == []


class Critic(ci.Term):
    """A term with a network of its own."""

    net: torch.nn.Module

    def __call__(self, imagined):
        return self.net(imagined.image).square().mean(1)


def test_a_network_in_a_term_is_part_of_the_step_and_not_trained(fitted, tmp_path):
    net = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(256, 2), torch.nn.Dropout(0.5))
    model, before = copy(fitted, tmp_path), net[1].weight.clone()
    step, _ = guided(model, Eye(), Critic(net=net))
    assert any(part is net for part in step.modules())
    model.finetune(discs(), guidance=[Eye(), Critic(net=net)], recipe=ci.Recipe(steps=2, batch=8))
    assert torch.equal(net[1].weight, before)
    assert net[1].weight.grad is None
    assert not net.training


def test_a_reader_in_a_term_is_a_guide_even_if_the_term_does_not_say_so(fitted, tmp_path):
    model, judge = copy(fitted, tmp_path), Eye()
    judge.sharpness.data.fill_(9.0)
    model.finetune(discs(), guidance=[Eye(), Sly(reader=judge)], recipe=ci.Recipe(steps=2, batch=8))
    assert fingerprint(judge) in model.guided_by
    with pytest.raises(ValueError, match="guided this model"):
        ci.effectiveness(model, discs(seed=1), judge)


@pytest.mark.parametrize("where", ["term", "distance", "sampler"])
def test_a_reader_inside_a_users_function_is_a_guide(where, fitted, tmp_path):
    model, judge = copy(fitted, tmp_path), Eye()
    judge.sharpness.data.fill_(9.0)

    def distance(reading, target, spread):
        return (reading - target).abs() + 0 * judge.sharpness

    def sampler(values, names):
        judge.read(values["x"], model.graph, names)
        return ci.Permuted()(values, names)

    guidance = {"term": [Eye(), Eavesdropper(told=[partial(distance, spread=1)])]}
    guidance |= {"distance": [ci.Target(Eye(), distance=distance)], "sampler": [Eye()]}
    how = {"sampler": sampler} if where == "sampler" else {}
    model.finetune(discs(), guidance=guidance[where], recipe=ci.Recipe(steps=1, batch=8), **how)
    assert set(model.guided_by) == {fingerprint(Eye()), fingerprint(judge)}


class Eavesdropper(ci.Term):
    """Holds functions that it never calls."""

    told: list

    def __call__(self, imagined):
        return 0 * imagined.image.mean((1, 2, 3))


def test_a_guide_that_cannot_tell_is_warned_of(fitted, tmp_path):
    model = copy(fitted, tmp_path)
    with pytest.warns(UserWarning, match=r"the guide Blind\(\) reads area no better than by always saying the mean"):
        model.finetune(discs(), guidance=[Blind()], recipe=ci.Recipe(steps=1, batch=8))


class Blind(Eye):
    """Reads the same off every image."""

    def read(self, images, graph, names, *, soft=False):
        return {name: 0 * super(Blind, self).read(images, graph, [name], soft=soft)[name] for name in names}


class Sly(ci.Term):
    """Reads by a reader that it doesn't name."""

    reader: ci.Reader

    def __call__(self, imagined):
        return self.reader.read(imagined.image, imagined.graph, ["area"], soft=True)["area"]


class Whole(ci.Term):
    """A loss for every pixel instead of every item."""

    def __call__(self, imagined):
        return imagined.change


def test_terms_that_break_their_contract_are_told_so(fitted):
    for term, message in ((Whole(), r"whole: expected a loss per item, of shape \(120,\), got \(120, 1, 16, 16\)"),):
        step, batch = guided(fitted, Eye(), term)
        with pytest.raises(ValueError, match=message):
            step(batch)


def test_labels_of_other_columns_and_readers_of_nothing_are_refused(pair):
    with pytest.raises(ValueError, match="a term is called 'loss', which the history has another column for"):
        expand(pair[0].graph, [ci.Target(Biased(), ["disc"], label="loss")])
    with pytest.raises(ValueError, match=r"reads no variable of Pair"):
        expand(pair[0].graph, [Biased(), ci.Target(ci.Regressor.cnn(["height"], width=8))])
    labels = [term.label for term in expand(pair[0].graph, [ci.Target(Biased(), ["disc"], label="{x}")])]
    assert labels == ["{x}"]


def test_a_temperature_that_can_do_nothing_and_an_image_without_bounds_are_refused(fitted):
    open_ = ci.Graph.of(
        area=ci.Continuous(unit="px", measured=ci.Area("disc")),
        x=ci.Image(parents=["area"], shape=(1, 16, 16), bounds=(0, None)),
    )
    with pytest.raises(ValueError, match="x: fine-tuning needs an image with bounds"):
        check(open_, "x", fitted.mechanisms["x"], [], ci.View())
    linear = ci.LinearGaussian().bind(ci.Graph.of(v=ci.Continuous()), "v")
    with pytest.raises(ValueError, match="a temperature can do nothing: LinearGaussian"):
        check(fitted.graph, "x", linear, [], ci.View(temperature=0.5))


class Hard(Eye):
    """Reads without a gradient."""

    def read(self, images, graph, names, *, soft=False):
        return {name: value.detach() for name, value in super().read(images, graph, names).items()}


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ({"train": {name: value[:1] for name, value in discs(2).items()}}, "train: rows: expected at least 2, got 1"),
        ({"guidance": None}, "guidance: expected a list of Reader or Term, got NoneType"),
        ({"guidance": {"eye": Eye()}}, "guidance: expected a list of Reader or Term, got dict"),
        ({"guidance": [Hard()]}, "can't guide: its soft reading of area has no gradient"),
        ({"sampler": "permuted"}, "sampler: expected .* a function, got str 'permuted'"),
        ({"sampler": lambda values, names: values}, "what the sampler draws: expected Drawn, got dict"),
        (
            {"sampler": ci.Uniform(ranges={"area": (-50, -10)})},
            r"sampler: area, row 0: .* is not a number in \[0, inf\)",
        ),
        ({"view": 1.0}, "view: expected View, got float 1.0"),
        ({"recipe": {"steps": 2}}, "recipe: expected Recipe or None, got dict"),
    ],
)
def test_what_no_fine_tuning_can_take_is_named(fitted, how, message):
    with pytest.raises((TypeError, ValueError), match=message):
        fitted.finetune(**{"train": discs(8), "guidance": [Eye()], **how})
    assert not fitted.guided_by


@pytest.mark.parametrize("ranges", [{}, {"area": (50, 10)}, {"area": (float("nan"), 10)}, {"area": (0, float("inf"))}])
def test_a_range_is_finite_and_rises(ranges):
    with pytest.raises(ValueError, match="ranges"):
        ci.Uniform(ranges=ranges)
