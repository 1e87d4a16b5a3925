"""A flow as image mechanism: its solvers, its likelihood and its answers against closed forms, and the road with a small one."""

import math
import sys

import pytest
import torch
from mechanism_calls import abduct, explain
from test_guidance import Eye
from test_model import Disc, Threshold, discs

import causalimg as ci
from causalimg.guidance.calibrate import calibrate
from causalimg.guided import forgiven, least, smoothed
from causalimg.mechanisms.solvers import missed, walk

AGE = ci.Continuous(unit="year", bounds=(0, 110))
DOSE = ci.Continuous(unit="mg", bounds=(0, None))
TINY = {"widths": (8, 16), "embedding": 16}


def bound(kind=ci.FlowMatching, shape=(1, 8, 8), bounds=(0, 1), **settings):
    graph = ci.Graph.of(age=AGE, dose=DOSE, x=ci.Image(shape=shape, parents=["age", "dose"], bounds=bounds))
    torch.manual_seed(0)
    return kind(**{**TINY, **settings}).bind(graph, "x")


def stirred(**settings):
    """One that has learnt something: new, it is blind to its parents."""
    flow = bound(**settings)
    for parameter in flow.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    return flow


def family(n=6, shape=(1, 8, 8)):
    draw = torch.Generator().manual_seed(1)
    parents = {"age": 80 * torch.rand(n, generator=draw), "dose": 5 * torch.rand(n, generator=draw)}
    return 0.2 + 0.6 * torch.rand(n, *shape, generator=draw), parents


class Normal(ci.FlowMatching):
    """The flow from N(0, 1) to N(m(pa), s²) in closed form: v = m + (t s² - (1 - t)) / ((1 - t)² + t² s²) (x - t m)."""

    spread = 0.3

    def mean(self, parents):
        return (0.01 * parents["age"] - 0.1 * parents["dose"]).reshape(-1, 1, 1, 1)

    def velocity(self, x, t, parents, condition):
        m, t = self.mean(parents), t.reshape(-1, 1, 1, 1)
        rate = (t * self.spread**2 - (1 - t)) / ((1 - t) ** 2 + t**2 * self.spread**2)
        return m + rate * (x - t * m)


# -- solvers -----------------------------------------------------------------------------------------------------------


def test_a_walk_is_of_second_order_and_costs_one_evaluation_a_step():
    calls = []

    def velocity(x, t):
        calls.append(t)
        return math.cos(t) * x

    def miss(steps):
        calls.clear()
        times = [(k / steps) ** 1.2 for k in range(steps + 1)]
        end = walk(velocity, torch.ones(1, dtype=torch.float64), times).points[-1]
        return (end - math.exp(math.sin(1))).abs().item()

    few, many = miss(20), miss(40)
    assert len(calls) == 40
    assert 2.8 < few / many < 5.6


def test_a_walk_goes_back_the_way_it_came():
    times = [k / 200 for k in range(201)]
    there = walk(lambda x, t: -x, torch.ones(3), times).points[-1]
    back = walk(lambda x, t: -x, there, times[::-1]).points[-1]
    assert (there - math.exp(-1)).abs().max() < 1e-2
    assert (back - 1).abs().max() < 1e-2


def test_pushed_by_what_it_missed_a_walk_passes_the_points_of_another():
    times = [0.0, 0.3, 0.5, 1.0]
    path = walk(lambda x, t: x.sin() + t, torch.linspace(0, 1, 5), times)
    bent = path._replace(points=[point + 0.1 * k for k, point in enumerate(path.points)])
    bent = bent._replace(velocities=[bent.points[k].sin() + t for k, t in enumerate(times[:-1])])
    again = walk(lambda x, t: x.sin() + t, bent.points[0], times, missed(bent, times))
    for point, expected in zip(again.points, bent.points, strict=True):
        torch.testing.assert_close(point, expected)
    assert missed(path, times).abs().max() < 1e-6


# -- closed forms ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("shift", "steps"), [(1.0, 120), (2.0, 240)])
def test_its_likelihood_is_that_of_the_normal_that_it_draws_from(shift, steps):
    flow, (image, parents) = bound(Normal, steps=steps, begin=1.0, shift=shift), family()
    u, nll = explain(flow, image, parents)
    unit = 2 * image - 1
    exact = torch.distributions.Normal(flow.mean(parents), flow.spread).log_prob(unit) + math.log(2)
    torch.testing.assert_close(nll, -exact.flatten(1).sum(1), rtol=1e-3, atol=0.05)
    torch.testing.assert_close(u.latents[0], (unit - flow.mean(parents)) / flow.spread, rtol=1e-2, atol=1e-2)


def test_what_is_flat_gets_the_noise_of_its_draw_and_so_does_every_row_alone():
    flow, (_, parents) = bound(Normal, steps=40), family()
    flow.spread = 1e-3  # as flat as a black background
    flat = (flow.mean(parents) + 1).expand(6, 1, 8, 8) / 2
    drawn = flow.noise(6)
    (start,), residual = flow.abduct(flat, parents, drawn)
    assert start.std() == pytest.approx(1, abs=0.2)
    assert residual.abs().max() < 0.01
    one = {name: column[3:4] for name, column in parents.items()}
    alone = flow.abduct(flat[3:4], one, ci.ImageNoise((drawn.latents[0][3:4],), drawn.pixels[3:4]))
    torch.testing.assert_close(alone.latents[0], start[3:4])
    lost = bound(Normal, steps=40, begin=1.0)
    lost.spread = 1e-3
    assert abduct(lost, flat, parents).latents[0].std() < 0.2


def test_a_likelihood_is_in_units_of_an_image_in_0_to_1():
    (image, parents), shape = family(), {"steps": 4}
    wide = explain(bound(Normal, bounds=(-100, 300), **shape), 400 * image - 100, parents)
    torch.testing.assert_close(wide.nll, explain(bound(Normal, **shape), image, parents).nll, rtol=1e-4, atol=1e-2)


def test_the_loss_is_least_at_the_velocity_that_makes_the_data():
    flow, (_, parents) = bound(Normal), family(4000)
    draws = (flow.mean(parents) + flow.spread * torch.randn(4000, 1, 8, 8) + 1) / 2
    at_best = flow.loss(draws, parents).mean()
    for wrong in (0.2, 0.4):
        flow.spread = wrong
        assert flow.loss(draws, parents).mean() > at_best


def test_a_shift_divides_the_odds_of_all_times_in_training_and_in_solving(monkeypatch):
    met, (image, parents) = [], family(4000)

    def velocity(flow, x, t, parents, condition):
        met.append(t)
        return torch.zeros_like(x)

    monkeypatch.setattr(ci.FlowMatching, "velocity", velocity)
    odds = {}
    for shift in (1.0, 3.0):
        flow = bound(shift=shift)
        torch.manual_seed(0)
        flow.loss(image, parents)
        abduct(flow, image, parents)
        odds[shift] = torch.cat(met) / (1 - torch.cat(met))
        met.clear()
    assert len(odds[1.0]) == 4000 + flow.steps + 1
    torch.testing.assert_close(odds[1.0] / 3, odds[3.0], rtol=1e-4, atol=1e-6)


# -- answers -----------------------------------------------------------------------------------------------------------


def answer(flow, image, before, after, region=None, **weights):
    with torch.no_grad():
        return flow.counterfactual(
            abduct(flow, image, before), after, ci.Seen(image, before), ci.Options(region, weights)
        )


def moved(flow, before, **weights):
    """How far do(age + 10, dose + 1) moves the image, scaled to [-1, 1], per pixel."""
    image = torch.full((len(before["age"]), 1, 8, 8), 0.5)
    after = {"age": before["age"] + 10, "dose": before["dose"] + 1}
    return 2 * (answer(flow, image, before, after, **weights) - image).flatten(1)


def test_the_same_noise_under_other_parents_is_what_those_bring_about():
    flow, (_, parents) = bound(Normal, steps=30, begin=1.0), family()
    torch.testing.assert_close(moved(flow, parents), torch.zeros(6, 64), atol=5e-3, rtol=0)  # 10 years and 1 mg cancel
    after = parents | {"age": parents["age"] + 10}
    image = torch.full((6, 1, 8, 8), 0.5)
    shifted = 2 * (answer(flow, image, parents, after) - image)
    torch.testing.assert_close(shifted, torch.full_like(image, 0.1), atol=5e-3, rtol=0)


def test_each_parent_counts_with_its_own_weight():
    flow, (_, parents) = bound(Normal, steps=30, begin=1.0), family()
    for weights, expected in [({"age": 2.0}, 0.1), ({"dose": 3.0}, -0.2), ({"age": 0.0, "dose": 0.5}, -0.05)]:
        torch.testing.assert_close(
            moved(flow, parents, **weights), torch.full((6, 64), expected), atol=0.02, rtol=0.25, msg=str(weights)
        )


def test_a_weight_may_differ_from_row_to_row():
    flow, (_, parents) = bound(Normal, steps=20, begin=1.0), family()
    weight = torch.tensor([0.0, 1.0, 2.0, 1.0, 0.0, 3.0])
    rows = moved(flow, parents, age=weight)
    for row, value in enumerate(weight.tolist()):
        alone = {name: column[row : row + 1] for name, column in parents.items()}
        torch.testing.assert_close(rows[row : row + 1], moved(flow, alone, age=value), atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("weights", [{}, {"age": 3.0}, {"age": 0.5, "dose": 7.0}])
def test_a_row_of_which_nothing_is_asked_stays_whatever_is_asked_of_another(weights):
    flow, (image, parents) = stirred(), family()
    flow.prepare_finetuning(["age"])
    for parameter in flow.tuned.parameters():
        parameter.data.add_(0.1 * torch.randn_like(parameter))
    after = {name: column.clone() for name, column in parents.items()}
    after["age"][0], after["dose"][1] = 70.0, 4.0
    change = (answer(flow, image, parents, after, **weights) - image).abs().flatten(1).amax(1)
    assert change[2:].max() < 1e-5
    assert change[:2].min() > 1e-3


@pytest.mark.parametrize("weights", [{}, {"age": 3.0}, {"age": 0.5, "dose": 7.0}])
def test_nothing_asked_changes_nothing_whatever_the_weights(weights):
    flow, (image, parents) = stirred(), family()
    assert (answer(flow, image, parents, parents, **weights) - image).abs().max() < 1e-5


def test_outside_its_region_an_answer_is_what_was_seen_and_inside_it_follows():
    flow, (image, parents) = stirred(), family()
    region = torch.zeros(6, 8, 8)
    region[:, 2:5, 2:5] = 1.0
    after = {"age": parents["age"] + 30, "dose": parents["dose"] + 3}
    for weights in ({}, {"age": 2.0}):
        change = (answer(flow, image, parents, after, region, **weights) - image).abs()[:, 0]
        assert change[region == 0].max() < 1e-5
        assert change[region == 1].mean() > 1e-3


def test_the_path_of_what_was_seen_is_passed_once_for_all_questions(monkeypatch):
    flow, (image, parents) = stirred(steps=3, begin=1.0), family()
    plain, evaluated = flow.velocity, []
    monkeypatch.setattr(flow, "velocity", lambda *given: (evaluated.append(len(given[0])), plain(*given))[1])
    region, seen = torch.ones(6, 8, 8), ci.Seen(image, parents)
    u = abduct(flow, image, parents)
    assert len(evaluated) == 4  # a step each, and the velocity with which the noise is left
    for years in (10, 20):
        flow.counterfactual(u, parents | {"age": parents["age"] + years}, seen, ci.Options(region))
    assert len(evaluated) == 4 + 2 * 3
    after, inside = parents | {"age": parents["age"] + 10}, region / 2
    expected = answer(flow, image, parents, after, inside)
    abduct(flow, image.flip(0), parents)  # another's path is not taken for this one
    torch.testing.assert_close(flow.counterfactual(u, after, seen, ci.Options(inside)), expected)


def test_what_a_few_steps_miss_of_the_image_mends_the_answer():
    flow, (image, parents) = bound(Normal, steps=4, begin=1.0), family()
    after = parents | {"age": parents["age"] + 10}
    exact, seen = answer(bound(Normal, steps=100, begin=1.0), image, parents, after), ci.Seen(image, parents)
    u = abduct(flow, image, parents)
    mended, bare = (
        (flow.counterfactual(noise, after, seen) - exact).abs().mean() for noise in (u, u._replace(pixels=0 * u.pixels))
    )
    assert mended < 0.2 * bare


@pytest.mark.parametrize(("shape", "patch"), [((3, 8, 16), 2), ((1, 12, 4), 2), ((3, 12, 24), 6), ((1, 6, 10), 1)])
def test_any_size_that_it_can_halve_and_three_channels(shape, patch):
    flow, (image, parents) = stirred(shape=shape, patch=patch), family(shape=shape)
    with torch.no_grad():
        assert flow.unet(image, torch.zeros(6, 16)).shape[2:] == (shape[1] // patch, shape[2] // patch)
    assert (answer(flow, image, parents, parents) - image).abs().max() < 1e-5


@pytest.mark.parametrize(
    ("shape", "settings", "said"),
    [
        ((1, 9, 8), {}, "8x8"),
        ((1, 16, 28), {"patch": 6}, r"divisible by 12 \(2 widths, patches of 6x6\); .* 12x24"),
        ((1, 8, 8), {"bounds": (0, None)}, "bounds on both sides"),
    ],
)
def test_an_image_that_will_not_do_is_refused(shape, settings, said):
    with pytest.raises(ValueError, match=said):
        bound(shape=shape, **settings)


# -- the road ----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def model():
    model = ci.compile(Disc, Threshold(), x=ci.FlowMatching(widths=(16, 32), embedding=32, steps=4))
    quick = ci.Recipe(steps=40, batch=64, lr=5e-3, warmup=5)
    image = ci.Recipe(steps=250, batch=32, lr=4e-3, warmup=10, ema=0.98)
    model.fit(discs(400), discs(40, seed=3), age=quick, sex=quick, area=quick, x=image)
    return model


def miss(answers, test):
    target = test["area"].flip(0)
    seen = Threshold().read(answers.do(test, area=target)["x"], answers.graph, ["area"])["area"]
    return (seen - target).abs().mean().item()


def test_without_guidance_it_follows_what_it_was_fitted_to(model):
    test = discs(seed=1)
    assert model.sensitivity(test)["area"].slope > 0.5
    assert miss(model, test) < 0.6 * (test["area"].flip(0) - test["area"]).abs().mean()


def lazily(model, folder):
    """`model`, made to follow everything half as far as it does: calibrated, it is nearly as good as with a guide."""
    model.save(folder)
    lazy = ci.CausalModel.load(folder, Threshold())
    lazy.mechanisms["x"].weights.fill_(0.5)
    return lazy


def test_a_guide_pulls_answers_to_what_was_asked(model, tmp_path):
    lazy, test = lazily(model, tmp_path), discs(seed=1)
    guided = ci.Guided(lazy, Threshold())
    assert miss(guided, test) < 0.5 * miss(lazy, test)
    assert miss(ci.Guided(model, Threshold()), test) < 0.9 * miss(model, test)
    with pytest.raises(ValueError, match="guided"):
        ci.evaluate(guided, test, [Threshold()])


def test_what_a_guide_does_to_an_item_depends_on_no_other(model, tmp_path):
    guided, test = ci.Guided(lazily(model, tmp_path), Threshold()), discs(8, seed=1)
    target = test["area"].flip(0)
    together = guided.do(test, area=target)["x"]
    alone = guided.do({name: column[2] for name, column in test.items()}, area=target[2])["x"]
    torch.testing.assert_close(alone, together[2], rtol=0, atol=1e-4)
    one = guided.abduct({name: column[2:3] for name, column in test.items()})
    assert len(guided.do(one, area=target)["x"]) == 8
    torch.testing.assert_close(guided.do(one, area=target)["x"][2:3], together[2:3], rtol=0, atol=1e-4)


def test_a_guide_of_whom_nothing_is_asked_changes_nothing(model, tmp_path):
    guided, test = ci.Guided(lazily(model, tmp_path), Threshold()), discs(8, seed=1)
    factual = guided.abduct(test)
    for nothing in ({}, {"area": test["area"]}):
        assert (guided.do(factual, **nothing, region=None)["x"] - test["x"]).abs().max() < 1e-4


def test_what_a_guide_reads_wrong_of_what_was_seen_counts_less_the_more_is_asked():
    moved = torch.linspace(-40, 40, 161)[:, None]
    for wrong in (-5.0, 0.0, 5.0):
        kept = forgiven(torch.full_like(moved, wrong), moved)
        assert kept[80] == wrong
        assert (kept[[0, -1]].abs() < 1e-6).all()
        assert ((kept + moved).diff(dim=0) > 0).all()


@pytest.mark.parametrize(("side", "reach"), [(16, 2), (64, 2), (128, 6), (192, 8)])
def test_what_a_guide_wishes_is_as_smooth_in_a_larger_image(side, reach):
    dot = torch.zeros(1, 1, side, 2 * side)
    dot[..., side // 2, side] = 1.0
    spread = smoothed(dot)
    assert spread.sum() == pytest.approx(1)
    assert (spread > 0).any(3).sum() == (spread > 0).any(2).sum() == 2 * reach + 1


class Generous(Threshold):
    """Reads a fifth too much."""

    def read(self, images, graph, names, *, soft=False):
        return {name: 1.2 * column for name, column in super().read(images, graph, names, soft=soft).items()}


def test_a_guide_makes_what_is_far_read_as_asked_and_not_as_much_further(model, tmp_path):
    lazy, test = lazily(model, tmp_path), discs(40, seed=1)
    far = test["area"].flip(0) - test["area"]
    target = test["area"] + far.sign() * far.abs().clamp(min=0.5 * test["area"])
    read = Generous().read(ci.Guided(lazy, Generous()).do(test, area=target)["x"], lazy.graph, ["area"])["area"]
    further = target + 0.2 * test["area"]
    assert (read - target).abs().mean() < 0.5 * (read - further).abs().mean()


def test_a_guide_holds_what_was_not_asked_for(model, tmp_path):
    lazy, test = lazily(model, tmp_path), discs(200, seed=1)
    flow = lazy.mechanisms["x"]
    flow.weights.fill_(50.0)  # far too much: another sex moves the area, too, by 4 to 9 pixels, as training went
    other, was = {"sex": 1 - test["sex"], "area": test["area"]}, Eye().read(test["x"], lazy.graph, ["area"])["area"]

    def drift(one):
        return (Eye().read(one.do(test, **other)["x"], lazy.graph, ["area"])["area"] - was).abs().mean()

    assert drift(lazy) > 2
    assert drift(ci.Guided(lazy, Threshold())) < 0.7 * drift(lazy)  # .28 to .52


def test_a_guide_makes_up_within_a_region_for_what_may_not_change_outside(model, tmp_path):
    lazy, test = lazily(model, tmp_path), discs(40, seed=1)
    half = torch.zeros(16, 16)
    half[:, :8] = 1.0

    def left(one, factor):
        read = Eye().read(one.do(test, area=factor * test["area"], region=half)["x"], lazy.graph, ["area"])["area"]
        return (read - factor * test["area"]).abs().mean()

    assert left(ci.Guided(lazy, Threshold()), 1.1) < 0.35 * left(lazy, 1.1)
    # it reads what will come out, region and all
    assert left(ci.Guided(model, Threshold()), 1.3) < 0.22 * left(model, 1.3)


def test_a_guide_of_what_no_mechanism_can_be_guided_to_is_refused():
    with pytest.raises(ValueError, match="Guidable"):
        ci.Guided(ci.compile(Disc, Threshold(), x=ci.HVAE(widths=(8, 8), latents=(0, 2))), Threshold())


def test_a_guide_without_gradients_is_refused(model):
    class NeverSoft(Threshold):
        def read(self, images, graph, names, *, soft=False):
            return super().read(images, graph, names)

    with pytest.raises(ValueError, match="can't guide: its soft readings have no gradient"):
        ci.Guided(model, NeverSoft()).do(discs(2), area=60.0)


class NearlyBlind(Threshold):
    """Sees next to nothing of the disc."""

    def read(self, images, graph, names, *, soft=False):
        return dict.fromkeys(names, 1e-4 * images.mean((1, 2, 3)))


def test_a_guide_that_is_nearly_blind_moves_no_pixel_far_and_nothing_that_was_not_asked(model, tmp_path):
    lazy, test = lazily(model, tmp_path), discs(8, seed=1)
    lazy.mechanisms["x"].weights.fill_(0.3)  # 0.7 v + 0.3 v is not v to the last digit
    target = torch.where(torch.arange(8) < 4, test["area"], test["area"].flip(0))
    factual = lazy.abduct(test)
    plain, pulled = (one.do(factual, area=target, region=None)["x"] for one in (lazy, ci.Guided(lazy, NearlyBlind())))
    assert torch.equal(pulled[:4], plain[:4])
    moved = (pulled - plain)[4:].abs().amax((1, 2, 3))
    assert (moved > 0.1).all()
    assert (moved < 0.7).all()  # twice at most MOST, and what the flow makes of it; unbounded, black becomes white


def test_a_guide_of_one_image_leaves_the_other_alone():
    graph = ci.Graph.of(
        area=ci.Continuous(unit="px", measured=ci.Area("disc", image="x")),
        x=ci.Image(parents=["area"], shape=(1, 16, 16)),
        y=ci.Image(parents=["area"], shape=(1, 16, 16)),
    )
    torch.manual_seed(0)
    model = ci.compile(graph, Threshold(), x=ci.FlowMatching(**TINY), y=ci.FlowMatching(**TINY))
    rows = {"area": discs(8)["area"], "x": discs(8)["x"], "y": 1 - discs(8)["x"]}
    model.fit(rows, **dict.fromkeys(graph, ci.Recipe(steps=2, batch=8)))
    factual = model.abduct(rows)
    plain = model.predict(factual, model.act(factual, area=ci.scale(1.3)), region=None)
    guided = ci.Guided(model, Threshold()).do(factual, area=ci.scale(1.3), region=None)
    assert torch.equal(plain["y"], guided["y"])
    assert (plain["x"] - guided["x"]).abs().max() > 0.01


def test_a_pull_is_heeded_late_and_where_the_region_lets_it():
    flow, (image, parents) = stirred(), family()
    u, seen, asked = abduct(flow, image, parents), ci.Seen(image, parents), []

    def pulled(wish, **options):
        def pull(answer, was):
            asked.append((answer, was))
            return wish + 0 * answer

        return flow.counterfactual(u, parents | {"age": parents["age"] + 5}, seen, ci.Options(pull=pull, **options))

    free = flow.counterfactual(u, parents | {"age": parents["age"] + 5}, seen)
    assert torch.equal(pulled(0.0), free)
    late = [t for t in flow._times()[:-1] if t >= 0.5]
    assert len(asked) == len(late)
    assert (pulled(0.01) - free).mean() > 0.005
    nothing = flow.counterfactual(u, parents, seen, ci.Options(pull=lambda answer, was: answer - was))
    assert (nothing - image).abs().max() < 1e-5
    half = torch.zeros(6, 8, 8)
    half[:, :4] = 1
    assert torch.equal(pulled(0.01, region=half)[:, :, 4:], pulled(0.0, region=half)[:, :, 4:])


def test_an_edit_on_top_is_what_a_pull_sees():
    class Bright(ci.Edit):
        def build(self, image, parents):
            pass

        def answer_to(self, names):
            pass

        def forward(self, image, before, after):
            return image + (before["age"] != after["age"]).float()[:, None, None, None] / 8

    graph = ci.Graph.of(age=AGE, dose=DOSE, x=ci.Image(shape=(1, 8, 8), parents=["age", "dose"]))
    torch.manual_seed(0)
    edited = ci.Edited(base=ci.FlowMatching(**TINY), edit=Bright()).bind(graph, "x")
    (image, parents), asked = family(), []
    u, seen, after = abduct(edited, image, parents), ci.Seen(image, parents), parents | {"age": parents["age"] + 5}

    def pull(answer, was):
        asked.append((answer - was).mean().item())
        return torch.full_like(answer, -0.01)

    pulled, free = (edited.counterfactual(u, after, seen, ci.Options(pull=one)) for one in (pull, None))
    assert asked[0] == pytest.approx(1 / 8, abs=0.02)  # a new flow is blind to its parents
    assert (free - pulled).mean() > 0.005


def test_the_least_change_meets_readings_that_are_linear():
    draw = torch.Generator().manual_seed(0)
    units = torch.tensor([1.0, 1e-3])
    slopes = torch.randn(3, 2, 1, 8, 8, generator=draw) * units.view(1, 2, 1, 1, 1)
    gaps = torch.tensor([[1.0, 1.0], [1.0, 0.0], [-1.0, 2.0]]) * units
    change = least(slopes, gaps)
    met = torch.einsum("nkchw,nchw->nk", slopes, change)
    torch.testing.assert_close(met / units, gaps / units, rtol=0.15, atol=0.15)
    spikes = torch.randn(3, 1, 8, 8, generator=draw)
    assert (change.diff(dim=3).square().sum() / change.square().sum()) < 0.5 * (
        spikes.diff(dim=3).square().sum() / spikes.square().sum()
    )
    assert least(torch.zeros(1, 1, 1, 8, 8), torch.ones(1, 1)).abs().max() == 0


def sluggish(flow):
    """Make `flow` follow the area half as far as it did."""
    context = flow.condition.parents.context
    middle = context.mean[1].clone()
    context.scale[1] *= 2
    assert middle == context.mean[1]


def test_weights_are_calibrated_on_a_guide_and_kept(model, tmp_path):
    model.save(tmp_path)
    again = ci.CausalModel.load(tmp_path, Threshold())
    test = {name: column[:40] for name, column in discs(seed=4).items()}
    sluggish(again.mechanisms["x"])
    again.mechanisms["x"].weights.fill_(1.0)
    before = again.sensitivity(test)["area"].slope
    found = calibrate(again, test, [Threshold()], again.readers.outlines)["x"]
    assert found[0] == 1.0  # nobody reads the sex
    assert found[1] > 1.2
    assert abs(again.sensitivity(test)["area"].slope - 1) < 0.6 * abs(before - 1)
    again.save(tmp_path / "again")
    kept = ci.CausalModel.load(tmp_path / "again", Threshold()).mechanisms["x"].weights
    assert torch.equal(kept, found)


def test_a_weight_at_the_end_of_what_was_tried_is_said(model, tmp_path, monkeypatch, capsys):
    model.save(tmp_path)
    lazy = ci.CausalModel.load(tmp_path, Threshold())
    monkeypatch.setattr(sys.modules[calibrate.__module__], "GRID", (0.25, 0.5))
    calibrate(lazy, discs(20, seed=4), [Threshold()], lazy.readers.outlines)
    assert "weight of area is 0.5, the largest that was tried" in " ".join(capsys.readouterr().err.split())


def test_weights_of_a_question_are_its_own(model):
    test = discs(20, seed=1)
    none, one, two = (model.do(test, area=ci.scale(1.3), weights={"area": w})["x"] for w in (0.0, 1.0, 2.0))
    assert (none - test["x"]).abs().max() < 1e-4
    assert (two - test["x"]).abs().mean() > (one - test["x"]).abs().mean()
    with pytest.raises(ValueError, match="Did you mean 'area'"):
        model.do(test, area=60.0, weights={"aera": 2.0})
    for wrong in (float("nan"), torch.ones(3), torch.ones(20, 2)):
        with pytest.raises(ValueError, match="weights of area: expected a finite number, or 20 of them"):
            model.do(test, area=60.0, weights={"area": wrong})


def test_another_fit_forgets_what_fine_tuning_had_learnt():
    flow, (image, parents) = stirred(), family()
    flow.prepare_finetuning(["age"])
    assert flow.learnt.any()
    flow.prepare(image, parents)
    assert not flow.learnt.any()


def test_fine_tuning_teaches_what_is_asked_and_leaves_the_flow_as_it_was_fitted(model, tmp_path, monkeypatch):
    model.save(tmp_path)
    tuned, test, eye = ci.CausalModel.load(tmp_path, Threshold()), discs(30, seed=1), Eye()
    flow, abducted = tuned.mechanisms["x"], []
    flow.weights.fill_(0.3)  # it follows too little
    lazy = miss(tuned, test)
    plain = flow.abduct
    monkeypatch.setattr(flow, "abduct", lambda x, *others: (abducted.append(len(x)), plain(x, *others))[1])
    guidance = [ci.Target(eye), ci.Plausibility()]
    recipe = ci.Recipe(steps=30, batch=12, lr=1e-2, ema=0.5, log_every=10, warmup=5)
    history = tuned.finetune(discs(48, seed=2), guidance=guidance, view=ci.View(jitter=0), recipe=recipe)
    assert sum(abducted) < 48 + 3 * 64  # each image once, and what sensitivity asks
    assert history.last("area") < 0.8 * history.rows[1]["area"]
    assert flow.learnt.tolist() == [False, True]
    assert miss(tuned, test) < 0.8 * lazy
    assert (tuned.do(test)["x"] - test["x"]).abs().max() < 1e-4
    assert torch.equal(tuned.sample(4)["x"], model.sample(4)["x"])
    before, after = (one.abduct(test).noise("x") for one in (model, tuned))
    assert torch.equal(before.latents[0], after.latents[0])
