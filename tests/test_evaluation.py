"""The numbers of an evaluation, against a model and a judge whose effect is known by construction."""

import json

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

import causalimg as ci
import causalimg.evaluation.statistics as boot
from causalimg.configured import Configured
from causalimg.evaluation import effectiveness
from causalimg.evaluation.change import dilate, grey_levels, neighbourhood
from causalimg.graph import Area, Categorical, Continuous, Graph, Image, Outlined, Within
from causalimg.mechanisms.mechanism import noisy_by_pixel
from causalimg.readers.reader import Reader, fingerprint
from causalimg.readers.scores import worth

SIZE = 32
HALF = SIZE * SIZE // 2


class Bars(Graph):
    """Two areas, left and right, each the first pixels of its half; a tone in the lowest row; which marker it has."""

    left = Continuous(unit="px", measured=Area("left"))
    right = Continuous(unit="px", measured=Area("right"))
    tone = Continuous()
    kind = Categorical(levels=("plain", "marked"))
    x = Image(parents=[left, right, tone, kind], shape=(1, SIZE, SIZE))


def draw(left, right, tone, kind):
    """Images whose areas are exactly `left` and `right` pixels, rounded."""
    position = torch.arange(HALF).expand(len(left), HALF)
    halves = [(position < area.round()[:, None]).float().view(-1, SIZE, SIZE // 2) for area in (left, right)]
    image = 0.8 * torch.cat(halves, dim=2)
    image[:, -1] = (0.2 * tone)[:, None]
    image[:, -2] = 0.2 * kind[:, None]
    return image[:, None]


class Ruler(Reader):
    """Reads all of `Bars` exactly, or `bias` times too large."""

    bias: float = 1.0

    def can_read(self, graph):
        return ("left", "right", "tone", "kind")

    def read(self, images, graph, names, *, soft=False):
        areas = {name: self.bias * mask.flatten(1).sum(1) for name, mask in self.masks(images).items()}
        lines = {"tone": images[:, 0, -1].mean(1) / 0.2, "kind": (images[:, 0, -2].mean(1) > 0.1).long()}
        return {name: (areas | lines)[name] for name in names}

    def masks(self, images):
        bright = images[:, 0] > 0.5
        left = torch.arange(SIZE) < SIZE // 2
        return {"left": bright & left, "right": bright & ~left}


class Painter:
    """A model that moves `gain` of the way to what is asked for, lets `leak` of it spill over to the right, and adds haze."""

    graph = Bars()

    def __init__(self, gain=1.0, leak=0.0, haze=0.0, guided_by=()):
        self.gain, self.leak, self.haze, self.guided_by = gain, leak, haze, guided_by
        self.batches = []

    def do(self, x, /, **interventions):
        self.batches.append(len(x["x"]))
        drawn = {name: x[name] for name in ("left", "right", "tone", "kind")}
        for name, target in interventions.items():
            if name == "kind":
                drawn[name] = target
            else:
                drawn[name] = drawn[name] + self.gain * (target - drawn[name])
        drawn["right"] = drawn["right"] + self.leak * (drawn["left"] - x["left"])
        return {**x, **interventions, "x": draw(**drawn) + self.haze}


def world(n=150, seed=0):
    generator = torch.Generator().manual_seed(seed)
    left, right = torch.randint(100, 400, (2, n), generator=generator).float()
    tone = 1 + torch.rand(n, generator=generator)
    kind = torch.randint(2, (n,), generator=generator)
    return {"left": left, "right": right, "tone": tone, "kind": kind, "x": draw(left, right, tone, kind)}


def test_a_model_that_does_what_is_asked_has_no_error_and_slope_one():
    result = effectiveness(Painter(), world(), Ruler())
    for name in ("left", "right", "tone"):
        assert result[name].error.value == pytest.approx(0, abs=1e-3)
        assert result[name].slope.value == pytest.approx(1, abs=1e-3)
    assert result["kind"].error.value == 0
    assert result["left"].outside.value == 0


def test_a_model_that_ignores_its_causes_has_slope_zero_and_the_error_of_a_guess():
    values = world()
    effect = effectiveness(Painter(gain=0.0), values, Ruler(), ["left"])["left"]
    assert abs(effect.slope.value) < 0.2
    assert effect.slope.low < 0 < effect.slope.high
    assert effect.change.value == 0
    assert effect.outside.value == 0
    expected = (100 * (effect.measured - effect.target).abs() / effect.target).mean()
    assert effect.error.value == pytest.approx(expected.item(), rel=1e-4)
    assert sorted(effect.target.tolist()) == sorted(values["left"].tolist())


@pytest.mark.parametrize("gain", [0.25, 0.5, 0.9])
def test_slope_and_errors_tell_how_far_the_way_was_gone(gain):
    effect = effectiveness(Painter(gain=gain), world(600), Ruler(), ["left"])["left"]
    assert effect.slope.value == pytest.approx(gain, abs=0.08)
    assert effect.slope.low <= effect.slope.value <= effect.slope.high
    away = (effect.measured - effect.target).abs()
    assert effect.mae.value == pytest.approx(away.mean().item(), rel=1e-4)
    assert effect.median_error.value == pytest.approx((100 * away / effect.target).median().item(), rel=1e-4)
    assert effect.error.value > effect.median_error.value


def test_a_leak_is_drift_of_the_other_variable_and_of_no_third():
    effect = effectiveness(Painter(leak=0.5), world(), Ruler(), ["left"])["left"]
    assert effect.drift["right"].value > 10
    assert effect.drift["tone"].value < 1e-3
    assert effect.drift["kind"].value == 0
    rows = torch.randperm(150, generator=torch.Generator().manual_seed(0))
    left, right = (world()[name][rows] for name in ("left", "right"))
    became = (right + 0.5 * (effect.target - left)).round().clamp(0, HALF - SIZE)  # the lowest rows hold the lines
    assert effect.drift_mae["right"].value == pytest.approx((became - right).abs().mean().item(), rel=1e-3)
    assert "kind" not in effect.drift_mae


def test_what_the_counterfactual_world_asks_for_is_no_drift():
    class Follower(Painter):
        """Its right area is an effect of the left one."""

        def do(self, x, /, **interventions):
            right = x["right"] + 0.5 * (interventions["left"] - x["left"]).round()
            return super().do(x, **interventions, right=right)

    effect = effectiveness(Follower(), world(), Ruler(), ["left"])["left"]
    assert effect.drift["right"].value < 0.5
    assert effectiveness(Painter(leak=0.5), world(), Ruler(), ["left"])["left"].drift["right"].value > 10


def test_the_floor_is_the_judges_own_error_and_biases_what_it_reads():
    result = effectiveness(Painter(), world(), Ruler(bias=1.1), ["left"])
    effect = result["left"]
    assert effect.floor.value == pytest.approx(10, abs=1e-3)
    assert effect.error.value == pytest.approx(10, abs=1e-3)
    assert effect.floor_mae.value == pytest.approx(0.1 * world()["left"].mean().item(), rel=1e-4)
    assert result.floors["right"].percent.value == pytest.approx(10, abs=1e-3)  # of what is read, though never set
    assert effect.drift["right"].value == pytest.approx(0, abs=1e-3)


def test_haze_is_change_outside_the_structure_in_grey_levels():
    effect = effectiveness(Painter(gain=0.0, haze=0.1), world(), Ruler(), ["left"])["left"]
    assert effect.change.value == pytest.approx(25.5, rel=1e-3)
    assert 0.3 < effect.outside.value < 1


def test_a_variable_that_is_measured_on_no_structure_has_no_outside():
    effect = effectiveness(Painter(), world(), Ruler(), ["tone"])["tone"]
    assert str(effect.outside) == "–"
    assert effect.to_data()["outside"] is None
    assert effect.change.value > 0


def test_batches_are_small_and_n_items_are_enough():
    model = Painter()
    result = effectiveness(model, world(150), Ruler(), ["left"], n=100)
    assert model.batches == [64, 36]
    assert (result.n, result.groups) == (100, 100)


def test_the_same_seed_gives_the_same_result_and_another_seed_other_targets():
    first, again, other = (effectiveness(Painter(gain=0.5), world(), Ruler(), seed=seed) for seed in (0, 0, 1))
    assert first.to_data() == again.to_data()
    assert not first["left"].target.equal(other["left"].target)


def test_an_item_with_target_zero_counts_in_mae_and_is_told_in_the_table():
    values = world()
    values["left"][:3] = 0.0
    values["x"] = draw(*(values[name] for name in ("left", "right", "tone", "kind")))
    result = effectiveness(Painter(gain=0.5), values, Ruler(), ["left"])
    assert result["left"].error.value < 1000
    assert "3 targets of left are 0" in result.table()


def test_who_guided_may_not_judge_unless_that_is_said_loudly():
    model = Painter(guided_by=[fingerprint(Ruler())])
    with pytest.raises(ValueError, match="who guided may not judge"):
        effectiveness(model, world(), Ruler())
    result = effectiveness(model, world(), Ruler(), ["left"], allow_guide=True)
    assert result.guided
    assert "**The judge guided this model" in result.table()
    assert "guided" not in effectiveness(Painter(), world(), Ruler(), ["left"]).table()


def test_what_a_judge_cannot_tell_it_may_not_judge_unless_that_is_said_loudly():
    with pytest.raises(
        ValueError, match=r"can't tell left .*Train it longer; or leave the variable out.*allow_weak=True"
    ):
        effectiveness(Painter(), world(), Ruler(bias=2.0), ["left", "tone"])
    assert effectiveness(Painter(), world(), Ruler(bias=2.0), ["tone"]).weak == (
        "left",
        "right",
    )  # whose drift is no drift
    result = effectiveness(Painter(), world(), Ruler(bias=2.0), ["left"], allow_weak=True)
    assert "**The judge reads left, right no better" in result.table()
    assert effectiveness(Painter(), world(), Ruler(), ["left"]).warning == ""


def test_where_the_truth_does_not_vary_nothing_can_be_said_of_a_judge():
    alone = {name: value[:1] for name, value in world().items()}
    assert effectiveness(Painter(), alone, Ruler(bias=2.0)).weak == ()
    values = world(12)
    values["tone"] = torch.full((12,), 0.1)
    assert "tone" not in effectiveness(Painter(), values, Ruler(bias=1.01)).weak


@pytest.mark.parametrize(
    ("read", "true", "discrete", "weak"),
    [
        ([1.0, 2.0, 3.0], [1.0, 2.0, 3.0], False, False),
        ([2.0, 2.0, 2.0], [1.0, 2.0, 3.0], False, True),
        ([torch.nan, 2.0, 3.0], [1.0, 2.0, 3.0], False, False),
        ([torch.nan] * 3, [1.0, 2.0, 3.0], False, True),
        ([0, 1, 1], [0, 0, 1], True, True),
        ([0, 0, 1], [0, 0, 1], True, False),
    ],
)
def test_what_is_no_nearer_than_the_mean_or_the_most_frequent_is_worth_nothing(read, true, discrete, weak):
    assert worth(torch.tensor(read), torch.tensor(true), discrete).weak == weak


def test_mistakes_are_named():
    values = world()
    with pytest.raises(ValueError, match=r"unknown target 'lefft'\. Did you mean 'left'"):
        effectiveness(Painter(), values, Ruler(), ["lefft"])
    with pytest.raises(ValueError, match="missing: tone"):
        effectiveness(Painter(), {k: v for k, v in values.items() if k != "tone"}, Ruler())
    with pytest.raises(ValueError, match="a group for each of 150 items, got 3"):
        effectiveness(Painter(), values, Ruler(), groups=["a", "b", "c"])
    with pytest.raises(ValueError, match=r"unknown judged variable 'rigth'\. Did you mean 'right'"):
        effectiveness(Painter(), values, Ruler(), ["right"])["rigth"]


def test_table_and_data_hold_the_same_numbers():
    result = effectiveness(Painter(gain=0.5), world(), Ruler(), ["left", "kind"], groups=["a", "b", "c"] * 50)
    head, rule, left, kind, _, caption = result.table().splitlines()
    assert head.count("|") == rule.count("|") == left.count("|") == kind.count("|")
    assert left.startswith("| left [px] | ")
    assert str(result["left"].error) in left
    assert kind.count("–") == 5
    assert "150 held-out items in 3 groups (patients)" in caption
    data = json.loads(json.dumps(result.to_data(), allow_nan=False))
    error = result["left"].error
    assert data["effects"]["left"]["error"] == {"value": error.value, "low": error.low, "high": error.high}
    assert data["effects"]["kind"]["slope"] is None


# -- bootstrap ---------------------------------------------------------------------------------------------------------


def test_groups_are_drawn_whole():
    weights = boot.resample(["a", "a", "b", "c", "c"], seed=0)
    assert weights.shape == (1001, 5)
    assert (weights[0] == 1).all()
    assert weights[:, 0].equal(weights[:, 1])
    assert weights[:, 3].equal(weights[:, 4])
    assert (weights[1:, [0, 2, 3]].sum(1) == 3).all()


def test_intervals_widen_where_items_of_a_group_are_alike():
    patients = [i // 20 for i in range(200)]
    values = torch.tensor(patients).float() + 0.1 * torch.randn(200, generator=torch.Generator().manual_seed(0))
    by_patient = boot.estimate(boot.mean(values), boot.resample(patients, 0))
    by_item = boot.estimate(boot.mean(values), boot.resample(range(200), 0))
    assert by_patient.high - by_patient.low > 3 * (by_item.high - by_item.low)
    assert by_patient.high - by_patient.low == pytest.approx(2 * 1.96 * values.std().item() / 10**0.5, rel=0.15)


def test_intervals_cover_the_truth_about_95_times_in_100():
    generator = torch.Generator().manual_seed(0)
    hits = 0
    for trial in range(60):
        mean = boot.estimate(boot.mean(torch.randn(40, generator=generator)), boot.resample(range(40), trial))
        hits += mean.low <= 0 <= mean.high
    assert 52 <= hits <= 60


@settings(deadline=None, max_examples=30)
@given(st.lists(st.integers(-50, 50), min_size=2, max_size=12), st.integers(0, 1000))
def test_weights_mean_repetition(numbers, seed):
    """A statistic under weights is the statistic of items repeated as often."""
    values = torch.tensor(numbers).float()
    x = torch.randn(len(values), generator=torch.Generator().manual_seed(seed))
    weights = boot.resample(range(len(values)), seed)[:8]
    repeats = [torch.repeat_interleave(torch.arange(len(values)), row.long()) for row in weights]
    means, medians, ratios = (
        boot.mean(values)(weights),
        boot.median(values)(weights),
        boot.ratio(values.abs() * 0.3, values.abs() + 1)(weights),
    )
    slopes = boot.slope(x, values)(weights)
    for i, drawn in enumerate(repeats):
        some, at = values[drawn], x[drawn]
        assert means[i] == pytest.approx(some.mean().item(), abs=1e-3)
        assert medians[i] == some.median()
        assert ratios[i] == pytest.approx((some.abs() * 0.3).sum().item() / (some.abs() + 1).sum().item(), abs=1e-4)
        if at.std(correction=0) > 0.1:
            expected = ((at - at.mean()) * (some - some.mean())).mean() / at.var(correction=0)
            assert slopes[i] == pytest.approx(expected.item(), abs=0.05 + 1e-3 * abs(expected.item()))


def test_what_is_unknown_is_left_out_of_mean_and_median():
    values = torch.tensor([1.0, float("nan"), 2.0, 9.0])
    weights = boot.resample(range(4), 0)
    assert boot.mean(values)(weights)[0] == 4
    assert boot.median(values)(weights)[0] == 2
    nothing = boot.estimate(boot.median(torch.full((4,), torch.nan)), weights)
    assert str(nothing) == "–"


def test_several_models_are_averaged_and_their_spread_is_told_apart_from_the_interval():
    weights, generator = boot.resample(range(50), 0), torch.Generator().manual_seed(0)
    values = [torch.randn(50, generator=generator) + shift for shift in (0.0, 1.0, 5.0)]
    own = [boot.estimate(boot.mean(value), weights) for value in values]
    both = boot.pool([boot.mean(value) for value in values], weights)
    assert both.each == pytest.approx([one.value for one in own])
    assert both.value == pytest.approx(sum(both.each) / 3)
    assert both.spread == pytest.approx(torch.tensor(both.each).std().item())
    pooled = boot.estimate(boot.mean(torch.stack(values).mean(0)), weights)
    assert (both.low, both.high) == pytest.approx((pooled.low, pooled.high), abs=1e-5)
    assert both.to_data()["max"] == max(both.each)
    assert str(both).startswith(f"{boot.brief(both.value)} ± {boot.brief(both.spread)} (")
    assert "±" not in str(own[0])
    assert own[0].to_data().keys() == {"value", "low", "high"}


@pytest.mark.parametrize(("value", "text"), [(0.01234, "0.0123"), (8.66, "8.66"), (1423.4, "1423"), (0.0, "0")])
def test_numbers_are_brief(value, text):
    assert boot.brief(value) == text


# -- locality and fingerprints -----------------------------------------------------------------------------------------


def test_the_neighbourhood_reaches_four_pixels_of_sixty_four():
    mask = torch.zeros(1, 64, 64, dtype=torch.bool)
    mask[0, 30, 30] = True
    rows, columns = dilate(mask)[0].nonzero(as_tuple=True)
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (26, 34, 26, 34)
    large = torch.zeros(1, 128, 128, dtype=torch.bool)
    large[0, 60, 60] = True
    assert dilate(large).sum() == 17 * 17


def test_the_neighbourhood_holds_before_and_after_and_needs_every_structure():
    before, after = torch.zeros(2, 1, 64, 64)
    before[0, 10, 10] = after[0, 50, 50] = 1.0
    image = torch.zeros(1, 1, 64, 64)
    seen = [Outlined({"lv": mask}, image) for mask in (before, after)]
    near = neighbourhood(Area("lv"), *seen)
    assert near is not None
    assert near[0, 12, 12]
    assert near[0, 48, 48]
    assert not near[0, 30, 30]
    assert neighbourhood(Area("rv"), *seen) is None
    upper = neighbourhood(Within(Area("lv"), stop=0.5), *seen)
    assert upper is not None
    assert upper[0, 12, 12]
    assert not upper[0, 48, 48]


def test_grey_levels_come_from_the_bounds_or_from_the_images():
    images = torch.tensor([2.0, 7.0])
    assert grey_levels(Image(shape=(1, 8, 8)), images) == 255
    assert grey_levels(Image(shape=(1, 8, 8), bounds=(-1, 1)), images) == 127.5
    assert grey_levels(Image(shape=(1, 8, 8), bounds=(None, None)), images) == 51


class Scale(Configured):
    """A network of one number, inside another or not, with a setting."""

    by: float = 1.0

    def __init__(self, parameter=None, **settings):
        super().__init__(**settings)
        self.inner = nn.Module()
        self.inner.parameter = parameter


def test_a_fingerprint_is_of_what_was_learnt():
    learnt = nn.Parameter(torch.tensor([1.0, 2.0]))
    copy = nn.Parameter(learnt.detach().clone())
    assert fingerprint(Scale(learnt)) == fingerprint(Scale(copy, by=2.0))
    with torch.no_grad():
        copy[0] += 1e-6
    assert fingerprint(Scale(learnt)) != fingerprint(Scale(copy))
    assert fingerprint(Scale(learnt)) != fingerprint(Scale(nn.Parameter(learnt.detach()[None])))


def test_where_nothing_was_learnt_a_fingerprint_is_of_the_settings():
    assert fingerprint(Ruler()) == fingerprint(Ruler())
    assert fingerprint(Ruler()) != fingerprint(Ruler(bias=1.1))


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ({"model": None}, "model: expected a model, .* got NoneType"),
        ({"test": None}, "test: expected values by name or a Table, got NoneType"),
        ({"test": world(20) | {"left": torch.ones(5)}}, "left: 5 items, but .* has 20"),
        ({"test": world(20) | {"left": torch.full((20,), torch.nan)}}, "left, row 0: nan"),
        ({"judges": {"ruler": Ruler()}}, "judges: expected a list of Reader, got dict"),
        ({"judges": ["ruler"]}, "judges: expected Reader, got str 'ruler'"),
        ({"n": -1}, "n: expected at least 1, got -1"),
        ({"n": 2.5}, "n: expected a whole number, got float 2.5"),
        ({"seed": "one"}, "seed: expected a whole number"),
    ],
)
def test_what_cannot_be_judged_is_named(how, message):
    with pytest.raises((TypeError, ValueError), match=message):
        ci.evaluate(**{"model": Painter(), "test": world(20), "judges": [Ruler()], **how})


def test_what_is_compared_are_reports():
    with pytest.raises(TypeError, match="none: expected Report, got str 'report'"):
        ci.Comparison({"none": "report"})


def test_whether_a_mechanism_adds_noise_is_asked_without_the_global_random_state():
    mechanism = ci.HVAE(widths=(4,), latents=(2,)).built(Image(shape=(1, 8, 8)), {})
    before = torch.get_rng_state()
    assert noisy_by_pixel(mechanism)
    assert torch.equal(torch.get_rng_state(), before)
