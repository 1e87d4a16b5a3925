"""Effects by the edge from the cause, and by what lies between: closed forms, laws, and a mediator within a mechanism."""

import pytest
import torch

import causalimg as ci
from causalimg.guidance.sensitivity import Sensitivity

GRAPH = ci.Graph.of(
    dose=ci.Continuous(),
    pressure=ci.Continuous(parents=["dose"]),
    area=ci.Continuous(parents=["dose", "pressure"]),
    x=ci.Image(parents=["dose", "area"], shape=(1, 4, 4), bounds=(None, None)),
)
PRESSURE, AREA, DOSE_IN_X, AREA_IN_X = 2.0, (0.5, -3.0), 0.25, 1.5
PATTERNS = torch.linspace(-1, 1, 32).view(2, 1, 4, 4)


class Linear(ci.Mechanism):
    """x = .25 dose P_0 + 1.5 area P_1 + `crossed` dose area P_0 + u."""

    handles = (ci.Image,)
    crossed: float = 0.0

    def build(self):
        self.fitted.fill_(True)

    def noise(self, n, generator=None):
        return torch.randn(n, *self.variable.value_shape, generator=generator)

    def predict(self, u, parents):
        dose, area = (parents[name].view(-1, 1, 1, 1) for name in ("dose", "area"))
        return DOSE_IN_X * dose * PATTERNS[0] + (AREA_IN_X * PATTERNS[1] + self.crossed * dose * PATTERNS[0]) * area + u

    def abduct(self, value, parents, prior):
        return value - self.predict(torch.zeros_like(value), parents)

    def loss(self, value, parents):
        return self.abduct(value, parents, None).square().flatten(1).sum(1)


def linear(crossed=0.0):
    return ci.compile(
        GRAPH,
        dose=ci.LinearGaussian(scale=3.0),
        pressure=ci.LinearGaussian(weights={"dose": PRESSURE}, scale=0.5),
        area=ci.LinearGaussian(weights=dict(zip(("dose", "pressure"), AREA, strict=True)), scale=0.5),
        x=Linear(crossed=crossed),
    )


def near(one, other):
    torch.testing.assert_close(one, other.expand_as(one), rtol=1e-4, atol=1e-4)


def test_effects_of_a_linear_model_are_its_closed_form():
    model = linear()
    found = model.effects(model.sample(5, seed=1), dose=ci.shift(2.0))
    one = torch.tensor(2.0)
    by_dose, by_pressure = AREA[0], PRESSURE * AREA[1]
    near(found.of("pressure")["direct"], one * PRESSURE)
    near(found.of("pressure")["indirect"], 0 * one)
    near(found.of("area")["direct"], one * by_dose)
    near(found.of("area")["indirect"], one * by_pressure)
    near(found.of("area")["total"], one * (by_dose + by_pressure))
    near(found.of("x")["direct"], one * DOSE_IN_X * PATTERNS[:1])
    near(found.of("x")["indirect"], one * AREA_IN_X * (by_dose + by_pressure) * PATTERNS[1:])


@pytest.mark.parametrize("crossed", [0.0, 0.7])
def test_total_is_direct_and_indirect_where_they_add_up_and_not_elsewhere(crossed):
    model = linear(crossed)
    effects = model.effects(model.sample(5, seed=1), dose=ci.shift(2.0)).of("x")
    cross = 2.0 * 2.0 * (AREA[0] + PRESSURE * AREA[1]) * crossed * PATTERNS[:1]
    near(effects["total"] - effects["direct"] - effects["indirect"], cross)
    assert bool(cross.any()) == (crossed > 0)


def test_the_total_is_what_do_answers_and_all_else_stays():
    model = linear(0.7)
    world = model.sample(5, seed=1)
    found, answer = model.effects(world, pressure=ci.shift(1.0)), model.do(world, pressure=ci.shift(1.0))
    assert all(torch.equal(found.total[name], answer[name]) for name in GRAPH)
    assert all(torch.equal(way["dose"], world["dose"]) for way in found)
    assert all(torch.equal(way["pressure"], answer["pressure"]) for way in found)
    near(found.of("x")["direct"], torch.tensor(0.0))  # pressure is no parent of the image


def test_what_is_set_too_is_nothing_that_lies_between():
    model = linear()
    found = model.effects(model.sample(5, seed=1), dose=ci.shift(2.0), area=ci.shift(1.0)).of("x")
    near(found["indirect"], torch.tensor(0.0))
    near(found["total"], found["direct"])


def test_nothing_asked_has_no_effect_by_any_way():
    model = linear(0.7)
    world = model.sample(5, seed=1)
    for way in model.effects(world, dose=world["dose"]):
        near(way["x"], world["x"])


def test_one_item_is_asked_many_questions_and_answered_without_a_batch():
    model = linear()
    one = {name: value[0] for name, value in model.sample(1, seed=1).items()}
    assert model.effects(one, dose=1.0).direct["x"].shape == (1, 4, 4)
    many = model.effects(one, dose=torch.tensor([1.0, 2.0, 3.0])).of("x")
    assert {name: tuple(change.shape) for name, change in many.items()} == dict.fromkeys(many, (3, 1, 4, 4))


def test_every_way_keeps_to_the_region_of_the_total():
    model = linear(0.7)
    world, half = model.sample(5, seed=1), torch.zeros(4, 4)
    half[:, :2] = 1.0
    for region in (half, ci.Region()):
        found = model.effects(world, dose=ci.shift(2.0), region=region)
        near(found.total["x"], model.do(world, dose=ci.shift(2.0), region=region)["x"])
    free, kept = (model.effects(world, dose=ci.shift(2.0), region=region).of("x") for region in (None, half))
    for way, change in kept.items():
        near(change, half * free[way])


def test_a_cause_that_is_ignored_is_warned_of():
    model = linear()
    model.sensitivities = {"dose": Sensitivity(slope=0.0, change=0.0)}
    with pytest.warns(UserWarning, match="hardly follows dose"):
        model.effects(model.sample(2, seed=1), dose=ci.shift(2.0))


def test_what_was_set_is_no_effect():
    model = linear()
    with pytest.raises(ValueError, match="dose was set"):
        model.effects(model.sample(2, seed=1), dose=ci.shift(2.0)).of("dose")


def test_levels_have_no_differences_and_names_are_checked():
    graph = ci.Graph.of(a=ci.Continuous(), sex=ci.Categorical(levels=("f", "m"), parents=["a"]))
    model = ci.compile(graph)
    world = {"a": torch.randn(20), "sex": torch.randint(2, (20,))}
    model.fit(world, a=ci.Recipe(steps=2), sex=ci.Recipe(steps=2))
    found = model.effects(world, a=1.0)
    with pytest.raises(ValueError, match="sex is one of a few levels"):
        found.of("sex")
    with pytest.raises(ValueError, match="Did you mean 'sex'"):
        found.of("sxe")
    with pytest.raises(ValueError, match="another model"):
        ci.compile(graph).effects(model.abduct(world), a=1.0)


# -- what lies between, within a mechanism -------------------------------------------------------------------------------


def mediated(edited=False):
    graph = ci.Graph.of(a=ci.Continuous(), x=ci.Image(parents=["a"], shape=(1, 16, 16)))
    hvae = ci.HVAE(widths=(8, 16), latents=(2, 4), embedding=8, mediator=True)
    model = ci.compile(
        graph, a=ci.LinearGaussian(scale=2.0), x=ci.Edited(base=hvae, edit=ci.Deform()) if edited else hvae
    )
    torch.manual_seed(0)
    for p in model.mechanisms["x"].parameters():
        torch.nn.init.normal_(p, std=0.2)
    model.mechanisms["x"].fitted.fill_(True)
    return model, {"a": torch.randn(3), "x": torch.rand(3, 1, 16, 16)}


@pytest.mark.parametrize("edited", [False, True])
def test_latents_that_move_with_the_parents_lie_between(edited):
    model, world = mediated(edited)
    effects = model.effects(world, a=ci.shift(1.0)).of("x")
    assert all(change.abs().mean() > 1e-3 for change in effects.values())
    assert (effects["direct"] - effects["indirect"]).abs().mean() > 1e-3
    nothing = model.effects(world, a=world["a"])
    assert all((way["x"] - world["x"]).abs().max() < 1e-4 for way in nothing)


def test_latents_that_do_not_move_have_no_indirect_effect():
    model, world = mediated()
    for stage in model.mechanisms["x"].latent.modules():
        if getattr(stage, "film", None) is not None:
            torch.nn.init.zeros_(stage.film.weight)
    torch.nn.init.zeros_(model.mechanisms["x"].latent.lead.weight)
    effects = model.effects(world, a=ci.shift(1.0)).of("x")
    near(effects["indirect"], torch.tensor(0.0))
    near(effects["total"], effects["direct"])


def test_without_images_there_is_nothing_to_plot():
    graph = ci.Graph.of("Numbers", a=ci.Continuous())
    with pytest.raises(ValueError, match="nothing to plot: Numbers has no image"):
        ci.compile(graph).do({"a": 1.0}, a=2.0).plot()


def test_effects_are_drawn_beside_each_other(tmp_path):
    model, world = mediated()
    figure = model.effects(world, a=ci.shift(1.0)).plot(tmp_path / "effects.png")
    assert (tmp_path / "effects.png").exists()
    written = [text.get_text() for text in figure.texts]
    assert [text for text in written if text in ("factual", "direct", "indirect", "total")] == [
        "factual",
        "direct",
        "indirect",
        "total",
    ]
