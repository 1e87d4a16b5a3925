"""Phantoms: the areas are what the table says, and a true counterfactual moves what it must and nothing else."""

from functools import cache
from typing import ClassVar

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.functional import avg_pool2d, max_pool2d

from causalimg.data.phantoms import Chest, Heart, Phantom, Vessel
from causalimg.data.phantoms.drawing import Star, cover, grid
from causalimg.data.phantoms.phantom import within
from causalimg.graph import Area, Continuous, Graph, Image, scale
from causalimg.graph import measure as measure_on

PHANTOMS = [Heart, Chest, Vessel]
CALCIFIED = ("calcified_proximal", "calcified_middle", "calcified_distal")
PLAQUES = (*CALCIFIED, "soft_area")
NAMES = {
    Heart: ("lv_area", "wall_area"),
    Chest: ("left_lung", "right_lung", "heart_area"),
    Vessel: ("lumen_area", *PLAQUES),
}
AREAS = [(kind, name) for kind, names in NAMES.items() for name in names]
SHADES = {Heart: ("lv", "myo"), Chest: ("heart", "left_lung"), Vessel: ("lumen", "soft")}


@cache
def world(kind, size=64, n=16):
    phantom = kind(size)
    return phantom, phantom.sample(n, seed=0)


def measure(phantom, sample, name):
    return measure_on(phantom.graph, name, sample.masks, sample.values["x"])


def coarse(name):
    """How much more the pixels matter to an area of a few tens of them."""
    return 2.5 if name in PLAQUES else 1


def near(structures, *samples):
    """Where any of the structures is in any of the samples, and two pixels around it."""
    found = torch.stack([sample.masks[structure] for sample in samples for structure in structures]).any(0)
    return max_pool2d(found.float(), 5, stride=1, padding=2).bool()


def moved(before, after):
    return (before.values["x"] != after.values["x"])[:, 0]


def same(a, b):
    return all(torch.equal(a[name], b[name]) for name in a) and a.keys() == b.keys()


@st.composite
def interventions(draw, phantom):
    names = draw(st.sets(st.sampled_from(list(phantom.equations)), min_size=1))
    variables = {name: phantom.graph[name] for name in sorted(names)}
    return {
        name: draw(st.sampled_from(variable.levels) if variable.discrete else st.floats(*variable.bounds, width=32))
        for name, variable in variables.items()
    }


@pytest.mark.parametrize("size", [32, 64, 128])
@pytest.mark.parametrize("kind", PHANTOMS)
def test_a_sample_has_the_shapes_kinds_and_bounds_of_its_graph(kind, size):
    phantom, sample = world(kind, size, n=5)
    assert len(sample) == 5
    assert list(sample.values) == list(phantom.graph)
    for name, values in sample.values.items():
        variable = phantom.graph[name]
        assert values.shape == (5, *variable.value_shape)
        assert values.dtype == (torch.int64 if variable.discrete else torch.float32)
        assert not variable.outside(values).any()
    assert tuple(sample.masks) == phantom.structures
    assert all(mask.shape == (5, size, size) and mask.dtype == torch.bool for mask in sample.masks.values())
    assert phantom.graph.images == ("x",)


@pytest.mark.parametrize(("size", "tolerance"), [(64, 0.02), (128, 0.01)])
@pytest.mark.parametrize(("kind", "name"), AREAS)
def test_the_area_of_the_mask_is_the_variable(kind, name, size, tolerance):
    (phantom, sample), tolerance = world(kind, size), coarse(name) * tolerance
    error = (measure(phantom, sample, name) / sample.values[name] - 1).abs()
    assert error.median() < tolerance
    assert error.max() < 4 * tolerance


@pytest.mark.parametrize("fraction", [0.05, 1.0])
@pytest.mark.parametrize(("kind", "name"), AREAS)
def test_an_area_that_is_set_to_an_end_of_its_range_is_drawn_in_full(kind, name, fraction):
    phantom, sample = world(kind, 128)
    low, high = phantom.graph[name].bounds
    after = phantom.counterfactual(sample, {name: low + fraction * (high - low)})
    error = (measure(phantom, after, name) / after.values[name] - 1).abs()
    assert error.median() < 0.02 * coarse(name)


@pytest.mark.parametrize("kind", PHANTOMS)
def test_structures_differ_in_brightness_as_they_should(kind):
    _, sample = world(kind)
    x = sample.values["x"][:, 0]
    mean = {name: (x * mask).sum((1, 2)) / mask.sum((1, 2)) for name, mask in sample.masks.items()}
    bright, dark = SHADES[kind]
    assert (mean[bright] > mean[dark] + 0.1).all()


@pytest.mark.parametrize("kind", PHANTOMS)
def test_a_seed_determines_the_sample_and_another_gives_others(kind):
    phantom, sample = world(kind)
    again = phantom.sample(16, seed=0)
    assert same(sample.values, again.values)
    assert same(sample.masks, again.masks)
    assert same(sample.noise, again.noise)
    assert not torch.equal(phantom.sample(16, seed=1).values["x"], sample.values["x"])


@pytest.mark.parametrize("kind", PHANTOMS)
def test_a_seed_gives_the_same_patients_at_every_size(kind):
    (_, small), (_, large) = world(kind, 64), world(kind, 128)
    for name in ("age", "sex"):
        assert torch.equal(small.values[name], large.values[name])
    reduced = avg_pool2d(large.values["x"], 2)
    assert (reduced - small.values["x"]).abs().mean() < 0.03  # grain, and edges between pixels


@pytest.mark.parametrize("kind", PHANTOMS)
def test_patients_differ(kind):
    _, sample = world(kind)
    assert sample.values["x"].std(0).mean() > 0.05


@pytest.mark.parametrize(
    ("kind", "cause", "effect", "sign"),
    [
        (Heart, "sex", "lv_area", 1),
        (Heart, "age", "wall_area", 1),
        (Heart, "age", "lv_area", -1),
        (Chest, "sex", "left_lung", 1),
        (Chest, "finding", "right_lung", -1),
        (Chest, "age", "heart_area", 1),
        (Vessel, "age", "calcified_middle", 1),
        (Vessel, "diabetes", "soft_area", 1),
        (Vessel, "diabetes", "lumen_area", -1),
    ],
)
def test_causes_show_as_correlation(kind, cause, effect, sign):
    _, sample = world(kind, 32, n=400)
    both = torch.stack([sample.values[cause].float(), sample.values[effect]])
    assert sign * torch.corrcoef(both)[0, 1] > 0.15


@pytest.mark.parametrize("kind", PHANTOMS)
def test_the_null_intervention_returns_the_sample_exactly(kind):
    phantom, sample = world(kind)
    after = phantom.counterfactual(sample, {})
    assert same(after.values, sample.values)
    assert same(after.masks, sample.masks)


@pytest.mark.parametrize("kind", PHANTOMS)
def test_setting_a_variable_to_its_factual_value_changes_nothing(kind):
    phantom, sample = world(kind)
    for name in phantom.equations:
        after = phantom.counterfactual(sample, {name: sample.values[name]})
        assert same(after.values, sample.values)


@pytest.mark.parametrize("kind", PHANTOMS)
@given(data=st.data())
@settings(max_examples=10, deadline=None)
def test_an_intervention_takes_effect_leaves_non_descendants_and_can_be_undone(kind, data):
    phantom, sample = world(kind, 32, n=3)
    do = data.draw(interventions(phantom))
    after = phantom.counterfactual(sample, do)
    for name, value in do.items():
        variable = phantom.graph[name]
        assert (after.values[name] == torch.as_tensor(variable.encode(name, value))).all()
    for name in set(phantom.equations) - phantom.graph.descendants(*do) - set(do):
        assert torch.equal(after.values[name], sample.values[name])
    assert not any(phantom.graph[name].outside(values).any() for name, values in after.values.items())
    assert same(after.noise, sample.noise)
    back = phantom.counterfactual(after, {name: sample.values[name] for name in phantom.equations})
    assert torch.equal(back.values["x"], sample.values["x"])


@pytest.mark.parametrize("kind", PHANTOMS)
def test_a_batch_is_its_samples(kind):
    phantom, sample = world(kind)
    area = next(iter(phantom.graph.measured))
    after = phantom.counterfactual(sample, {area: scale(0.95), "sex": "male"})
    alone = phantom.counterfactual(sample.rows(5), {area: scale(0.95), "sex": "male"})
    for name, values in alone.values.items():
        torch.testing.assert_close(values, after.rows(5).values[name], atol=1e-5, rtol=1e-5)
    assert (alone.masks[phantom.structures[0]] != after.rows(5).masks[phantom.structures[0]]).sum() <= 2


@pytest.mark.parametrize(("cause", "effect"), [("sex", "lv_area"), ("age", "wall_area")])
def test_an_effect_passes_on_to_descendants(cause, effect):
    phantom, sample = world(Heart)
    do = {"sex": 1 - sample.values["sex"]} if cause == "sex" else {"age": 90.0}
    after = phantom.counterfactual(sample, do)
    assert (after.values[effect] != sample.values[effect]).all()
    assert moved(sample, after).any((1, 2)).all()


@pytest.mark.parametrize("name", ["lv_area", "wall_area"])
def test_the_ventricle_changes_in_place(name):
    phantom, sample = world(Heart)
    after = phantom.counterfactual(sample, {name: scale(0.8)})
    assert moved(sample, after).any((1, 2)).all()
    assert not (moved(sample, after) & ~near(phantom.structures, sample, after)).any()


def test_the_wall_keeps_its_area_when_the_cavity_grows():
    phantom, sample = world(Heart, 128)
    after = phantom.counterfactual(sample, {"lv_area": 2500.0})
    assert (measure(phantom, after, "wall_area") / sample.values["wall_area"] - 1).abs().median() < 0.01
    assert (after.masks["lv"] >= sample.masks["lv"]).all()


@pytest.mark.parametrize(("name", "other"), [("left_lung", "right_lung"), ("right_lung", "left_lung")])
def test_a_lung_changes_in_place_and_leaves_the_other_one(name, other):
    phantom, sample = world(Chest)
    after = phantom.counterfactual(sample, {name: scale(0.85)})
    assert moved(sample, after).any((1, 2)).all()
    assert not (moved(sample, after) & ~near([name], sample, after)).any()
    assert torch.equal(after.masks[other], sample.masks[other])
    assert torch.equal(after.masks["heart"], sample.masks["heart"])


@pytest.mark.parametrize("name", PLAQUES)
@pytest.mark.parametrize("fraction", [0.0, 1.0])
def test_a_plaque_changes_in_place_and_in_its_third(name, fraction):
    phantom, sample = world(Vessel, n=64)
    low, high = phantom.graph[name].bounds
    after = phantom.counterfactual(sample, {name: low + fraction * (high - low)})
    assert moved(sample, after).any((1, 2)).all()
    structure, *others = ("soft", "calcified") if name == "soft_area" else ("calcified", "soft")
    assert not (moved(sample, after) & ~near([structure], sample, after)).any()
    assert all(torch.equal(after.masks[other], sample.masks[other]) for other in (*others, "lumen"))
    for other in set(CALCIFIED) - {name}:
        assert torch.equal(measure(phantom, after, other), measure(phantom, sample, other))


def test_a_lumen_changes_with_its_wall_and_takes_the_plaques_along():
    phantom, sample = world(Vessel, n=64)
    after = phantom.counterfactual(sample, {"lumen_area": 75.0})
    assert not (moved(sample, after) & ~near(phantom.structures, sample, after)).any()
    for name in PLAQUES:
        assert (measure(phantom, after, name) / sample.values[name] - 1).abs().median() < 0.05


@pytest.mark.parametrize("fraction", [0.0, 1.0])
@pytest.mark.parametrize("kind", PHANTOMS)
def test_one_structure_covers_another_only_where_lungs_lie_before_the_heart(kind, fraction):
    phantom, sample = world(kind, n=64)
    bounds = {name: phantom.graph[name].bounds for name in NAMES[kind]}
    after = phantom.counterfactual(
        sample, {name: low + fraction * (high - low) for name, (low, high) in bounds.items()}
    )
    covers = torch.stack(list(after.masks.values())).sum(0)
    assert (covers.amax() > 1) == (kind is Chest)


def test_pneumonia_brightens_one_lung():
    phantom, sample = world(Chest)
    areas = {name: sample.values[name] for name in phantom.graph.measured}
    well = phantom.counterfactual(sample, {**areas, "finding": "normal"})
    ill = phantom.counterfactual(sample, {**areas, "finding": "pneumonia"})
    change = (ill.values["x"] - well.values["x"])[:, 0]
    by_lung = torch.stack([(change * sample.masks[lung]).sum((1, 2)) for lung in ("left_lung", "right_lung")])
    assert (change >= 0).all()
    assert (by_lung.max(0).values > 20 * by_lung.min(0).values).float().mean() > 0.9


def test_indexing_gives_samples():
    _, sample = world(Heart)
    assert len(sample.rows(slice(2, 7))) == 5
    assert len(sample.rows(3)) == 1
    assert torch.equal(sample.rows([4, 1]).values["x"], sample.values["x"][[4, 1]])
    assert torch.equal(sample.rows(sample.values["sex"] == 1).values["sex"].unique(), torch.tensor([1]))
    assert torch.equal(sample.rows(slice(-2, None)).noise["tissue"], sample.noise["tissue"][-2:])
    with pytest.raises(IndexError):
        sample.rows(16)


def test_no_samples_are_a_sample():
    phantom = Heart(32)
    assert len(phantom.sample(0)) == 0


@pytest.mark.parametrize(
    ("do", "error", "message"),
    [
        ({"lv_aera": 900.0}, ValueError, "unknown variable to intervene on 'lv_aera'. Did you mean 'lv_area'?"),
        ({"x": 0.0}, ValueError, "unknown variable to intervene on 'x'"),
        ({"sex": "femal"}, ValueError, "unknown level of sex 'femal'. Did you mean 'female'?"),
        ({"sex": 2}, ValueError, "sex: 2 is not one of 'female', 'male', or its index"),
        ({"sex": 0.5}, ValueError, "sex: 0.5 is not one of"),
        ({"lv_area": 5000.0}, ValueError, r"lv_area: 5000 is not a number in \[200, 2600\] mm2"),
        ({"lv_area": float("nan")}, ValueError, "lv_area: nan is not a number in"),
        ({"lv_area": torch.ones(3) * 900}, ValueError, r"lv_area: expected one value or 16, got the shape \(3,\)"),
        ({"age": "old"}, TypeError, r"age: expected a number in \[20, 90\] year, got 'old'"),
    ],
)
def test_a_mistake_in_do_is_named(do, error, message):
    phantom, sample = world(Heart)
    with pytest.raises(error, match=message):
        phantom.counterfactual(sample, do)


@pytest.mark.parametrize("size", [31, 193])
def test_a_size_that_cannot_be_drawn_is_refused(size):
    with pytest.raises(ValueError, match=f"Heart: expected a size from 32 to 192 pixels, got {size}"):
        Heart(size)


@given(st.lists(st.floats(-0.15, 0.15), min_size=4, max_size=4), st.floats(300, 3000))
@settings(max_examples=15, deadline=None)
def test_a_star_covers_its_area(harmonics, area):
    x, y = grid(128, 100.0)
    outline = Star(x.expand(1, 128, 128), y.expand(1, 128, 128), torch.tensor(harmonics).view(1, 2, 2)).outline(
        torch.tensor([area])
    )
    assert cover(outline).sum().item() * (100 / 128) ** 2 == pytest.approx(area, rel=0.02)


class Disc(Phantom):
    """The least that a phantom can be."""

    structures = ("disc",)
    equations: ClassVar = {"area": lambda u, pa: within((100.0, 400.0), u)}
    nuisance: ClassVar = {"shape": (1, 2)}

    def _graph(self):
        return Graph.of(
            area=Continuous(unit="px", bounds=(100.0, 400.0), measured=Area("disc")),
            x=Image(parents=["area"], shape=(1, self.size, self.size)),
        )

    def _render(self, parents, noise):
        outline = Star(*grid(self.size, self.size), 0.1 * noise["shape"]).outline(parents["area"])
        return cover(outline), {"disc": outline < 0}


def test_a_phantom_of_ones_own_takes_three_tables_and_two_methods():
    phantom = Disc(48)
    sample = phantom.sample(70)
    after = phantom.counterfactual(sample, {"area": 300})
    assert after.masks["disc"].sum((1, 2)).float().mean().item() == pytest.approx(300, rel=0.02)
    assert after.values["x"].sum((1, 2, 3)).mean().item() == pytest.approx(300, rel=0.02)
