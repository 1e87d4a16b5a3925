"""Facts that nobody knows: drawn from their posterior, which is known here in closed form; an item's draws are its own."""

from concurrent.futures import ThreadPoolExecutor
from math import log

import pytest
import torch
from torch.testing import assert_close

import causalimg as ci
from causalimg.mechanisms.mechanism import Mechanism
from causalimg.scm import Factual
from causalimg.support import supports_of
from causalimg.unknown import CANDIDATES, Posterior

LEVELS = ("female", "male")
TINY = {"widths": (4, 8), "embedding": 4}
IMAGES = {
    "flow": lambda: ci.FlowMatching(**TINY, steps=2),
    "HVAE": lambda: ci.HVAE(**TINY, latents=(2, 2)),
    "mediator": lambda: ci.HVAE(**TINY, latents=(2, 2), mediator=True),
    "edited": lambda: ci.Edited(base=ci.HVAE(**TINY, latents=(2, 2)), edit=ci.Deform(**TINY, basis=4)),
}
PRIOR = torch.tensor([0.25, 0.75])  # of the sex


class Unwell(ci.Graph):
    """Both the sex and the age are behind the weight; the image follows the sex and an area."""

    sex = ci.Categorical(levels=LEVELS)
    age = ci.Continuous(parents=[sex], unit="year")
    weight = ci.Continuous(parents=[age, sex], unit="kg")
    mark = ci.Categorical(levels=("a", "b", "c"), parents=[sex])
    area = ci.Continuous(parents=[age], unit="px", measured=ci.Area("patch"))
    x = ci.Image(parents=[sex, area], shape=(1, 8, 8))


class Meter(ci.readers.Reader):
    """Reads the area, with a gradient."""

    def can_read(self, graph):
        return ("area",)

    def read(self, images, graph, names, *, soft=False):
        return {"area": images.sum((1, 2, 3))}


class Mute(Mechanism):
    """A number of which no likelihood is known."""

    handles = (ci.Continuous,)

    def build(self):
        self.fitted.fill_(True)

    def noise(self, n, generator=None):
        return torch.randn(n, generator=generator)

    def predict(self, u, parents):
        return parents["age"] + u

    def abduct(self, value, parents, prior):
        return value - parents["age"]

    def loss(self, value, parents):
        return self.abduct(value, parents, None).square()


def compiled(*readers, seed=0, **others):
    """All is known in closed form, but for a flow with some weights."""
    numbers = {
        "age": ci.LinearGaussian(weights={"sex": (0.0, 5.0)}, bias=50.0, scale=10.0),
        "weight": ci.LinearGaussian(weights={"age": 2.0, "sex": (0.0, 10.0)}, bias=-40.0, scale=8.0),
        "area": ci.LinearGaussian(weights={"age": 0.4}, scale=3.0),
        "x": IMAGES["flow"](),
    }
    model = ci.compile(Unwell, *readers, seed=seed, **numbers | others)
    with torch.no_grad():
        model.mechanisms["sex"].network.linear.bias.copy_(PRIOR.log())
        model.mechanisms["mark"].network.linear.weight.copy_(torch.tensor([[0, 0, 1.0], [0, 1, 0], [0, 0, 0]]))
        for parameter in model.mechanisms["x"].parameters():
            parameter.add_(0.3 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(seed)))
    for name in ("sex", "mark", "x"):
        model.mechanisms[name].fitted.fill_(True)
    return model


MODEL = compiled()
WORLD = MODEL.sample(40, seed=1) | {"x": torch.rand(40, 1, 8, 8, generator=torch.Generator().manual_seed(0))}


def known(*unknown, which=slice(6)):
    return {name: value[which].clone() for name, value in WORLD.items() if name not in unknown}


def drawn(*unknown, particles=200, **values):
    """Draws of what is unknown about 40 items that differ in their images alone, (items, particles) by name."""
    seen = {name: value for name, value in WORLD.items() if name not in unknown} | values
    draws = MODEL.abduct(seen, particles=particles, unknown="draw").drawn
    return {name: draws[name].view(40, particles) for name in unknown}


def normal(value, mean, variance):
    return (-0.5 * (value - mean) ** 2 / variance - 0.5 * log(variance)).exp()


def check_same(one, other):
    for name, value in one.items():
        assert_close(other[name], value, rtol=0, atol=1e-4, msg=name)


# -- the posterior -----------------------------------------------------------------------------------------------------


def test_an_unknown_cause_of_known_numbers_has_the_posterior_of_the_closed_form():
    found = drawn("age", sex="male", weight=90.0, area=20.0)["age"]
    precision = 1 / 100 + 4 / 64 + 0.16 / 9
    mean = (55 / 100 + 2 * (90 + 40 - 10) / 64 + 0.4 * 20 / 9) / precision
    assert abs(found.mean() - mean) < 0.06 / precision**0.5
    assert found.var() * precision == pytest.approx(1, abs=0.06)


def test_unknown_levels_are_weighed_exactly():
    one = {name: value[:1] for name, value in known("sex").items()}
    candidates, weights = Posterior(MODEL, ["sex"]).candidates(one, lambda what: torch.Generator())
    expected = PRIOR * torch.stack(
        [
            normal(one["age"], 50 + 5 * male, 100.0) * normal(one["weight"], 2 * one["age"] + 10 * male - 40, 64.0)
            for male in (0.0, 1.0)
        ]
    ).view(2)
    logits = MODEL.mechanisms["mark"].network({"sex": torch.arange(2)}, 2).log_softmax(1)
    expected = expected * logits[:, one["mark"][0]].exp()
    assert candidates["sex"].tolist() == [0, 1]
    assert_close(weights, (expected / expected.sum()).double(), rtol=1e-4, atol=1e-6)


def test_levels_are_drawn_as_often_as_they_weigh():
    share = drawn("sex", age=52.0, weight=66.0, mark="a")["sex"].float().mean()
    told = {"age": 52.0, "weight": 66.0, "mark": 0, "area": 20.0, "x": WORLD["x"][:1]}
    one = {name: torch.as_tensor(value).reshape(1, *MODEL.graph[name].value_shape) for name, value in told.items()}
    _, weights = Posterior(MODEL, ["sex"]).candidates(one, lambda what: torch.Generator())
    assert 0.1 < weights[1] < 0.9
    assert share == pytest.approx(weights[1].item(), abs=0.02)


def test_several_levels_are_listed_together():
    posterior = Posterior(MODEL, ["sex", "mark"])
    one = {name: value[:1] for name, value in known("sex", "mark").items()}
    candidates, weights = posterior.candidates(one, lambda what: torch.Generator())
    assert posterior.listed
    assert list(zip(*(candidates[name].tolist() for name in ("sex", "mark")), strict=True)) == [
        (sex, mark) for sex in range(2) for mark in range(3)
    ]
    logits = MODEL.mechanisms["mark"].network({"sex": torch.arange(2)}, 2).softmax(1)
    assert_close(weights.view(2, 3) / weights.view(2, 3).sum(1, keepdim=True), logits.double(), rtol=1e-4, atol=1e-6)


@pytest.mark.filterwarnings("ignore:area.*drawn without a look at it")
def test_what_is_known_tells_of_a_cause_by_way_of_one_that_is_unknown():
    found = drawn("sex", "age", "area", "mark", weight=90.0)
    means = torch.tensor([2 * 50.0 - 40, 2 * 55.0 - 30])
    male = PRIOR * normal(90.0, means, 4 * 100.0 + 64.0)
    male = (male / male.sum())[1].item()
    assert found["sex"].float().mean() == pytest.approx(male, abs=0.02)
    gain = 2 * 100 / (4 * 100 + 64)
    by_sex = [50 + gain * (90 - means[0]), 55 + gain * (90 - means[1])]
    for sex in range(2):
        assert found["age"][found["sex"] == sex].mean() == pytest.approx(by_sex[sex].item(), abs=0.25)
    assert (found["area"] - 0.4 * found["age"]).std() == pytest.approx(3.0, abs=0.1)  # an effect, which tells nothing


@pytest.mark.filterwarnings("ignore:area.*drawn without a look at it")
def test_with_no_known_effect_draws_are_the_mechanisms_own():
    found = drawn("mark", "area", age=60.0, sex="female")
    assert found["area"].mean() == pytest.approx(24.0, abs=0.1)
    assert found["area"].std() == pytest.approx(3.0, abs=0.1)
    expected = MODEL.mechanisms["mark"].network({"sex": torch.tensor([0])}, 1).softmax(1)[0]
    assert_close(found["mark"].flatten().bincount() / found["mark"].numel(), expected, rtol=0, atol=0.02)


# -- laws --------------------------------------------------------------------------------------------------------------

ASKED = {"area": 30.0, "unknown": "draw"}


@pytest.mark.parametrize("unknown", [("sex",), ("age",), ("sex", "age")])
def test_a_draw_is_the_same_alone_in_any_batch_in_any_order_and_from_any_thread(unknown):
    order = torch.randperm(6, generator=torch.Generator().manual_seed(1))
    together, shuffled = (MODEL.do(known(*unknown, which=which), **ASKED, particles=3) for which in (slice(6), order))

    def ask(row):
        torch.randn(100)  # as training beside it would
        return MODEL.do(known(*unknown, which=row), **ASKED, particles=3)

    with ThreadPoolExecutor(4) as pool:
        for row, alone in enumerate(pool.map(ask, range(6))):
            place = order.tolist().index(row)
            for name in unknown:  # bitwise
                assert torch.equal(alone.factual_draws[name], together.factual_draws[name][row])
                assert torch.equal(alone.factual_draws[name], shuffled.factual_draws[name][place])
            check_same(alone.draws, {name: value[row] for name, value in together.draws.items()})
            check_same(alone.draws, {name: value[place] for name, value in shuffled.draws.items()})


def test_the_first_of_many_draws_are_those_of_few_and_seeds_differ():
    few, many, again, other = (
        MODEL.do(known("sex", "age"), **ASKED, particles=particles, seed=seed)
        for particles, seed in ((2, 0), (5, 0), (5, 0), (5, 1))
    )
    check_same(few.draws, {name: value[:, :2] for name, value in many.draws.items()})
    for name, value in many.draws.items():
        assert torch.equal(value, again.draws[name])
    assert not torch.isin(many.factual_draws["age"], other.factual_draws["age"]).any()


def test_the_global_random_state_is_neither_read_nor_changed():
    found = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        found.append(MODEL.do(known("sex", "age"), **ASKED))
        after = torch.rand(1)
        torch.manual_seed(seed)
        assert torch.equal(after, torch.rand(1))
    for name, value in found[0].items():
        assert torch.equal(value, found[1][name])


@pytest.mark.parametrize("particles", [1, 4])
@pytest.mark.parametrize("which", [slice(5), 0])
def test_nothing_asked_changes_nothing(which, particles):
    answer = MODEL.do(known("sex", "age", which=which), particles=particles, unknown="draw")
    assert set(answer.factual_draws) == {"sex", "age"}
    for name, value in answer.items():
        assert torch.equal(value, answer.factual[name]), name
    same = MODEL.do(known("sex", which=which), area=WORLD["area"][which], particles=particles, unknown="draw")
    assert_close(same["x"], WORLD["x"][which], rtol=0, atol=1e-4)


def test_nothing_is_drawn_for_what_is_given():
    plain, asked = (MODEL.do(known(), area=30.0, particles=2, **more) for more in ({}, {"unknown": "draw"}))
    assert plain.factual_draws == asked.factual_draws == {}
    for name, value in plain.draws.items():
        assert torch.equal(value, asked.draws[name])
    answer = MODEL.do(known("sex"), **ASKED, particles=3)
    for name in ("age", "weight", "mark", "x"):
        assert torch.equal(answer.factual[name], WORLD[name][:6])


def test_what_does_not_follow_keeps_its_value_whoever_the_cause_is():
    answer = MODEL.do(known("age"), **ASKED, particles=5)
    for name in ("sex", "weight", "mark"):
        assert torch.equal(answer[name], WORLD[name][:6])
        assert (answer.spread[name] == 0).all()
    assert torch.equal(answer.draws["age"], answer.factual_draws["age"])
    other = compiled(age=ci.LinearGaussian(weights={"sex": (9.0, 0.0)}, bias=20.0, scale=10.0))
    with pytest.warns(UserWarning, match="next to no candidate"):  # who would be as heavy at twenty
        younger = other.do(known("age"), **ASKED, particles=5)
    assert (younger["age"] < answer["age"]).all()
    for name in ("sex", "weight", "mark", "x"):  # what the area brings about does not depend on the age
        assert torch.equal(younger.draws[name], answer.draws[name])


def test_an_answer_is_that_of_each_draw_as_if_it_had_been_known():
    for which in (slice(3), slice(1)):
        seen = known("sex", which=which)
        factual = MODEL.abduct(seen, particles=4, unknown="draw")
        answer = MODEL.do(factual, sex="male", area=35.0)
        rows = {name: value.repeat_interleave(4, dim=0) for name, value in seen.items()} | {"sex": factual.drawn["sex"]}
        noise = {name: factual.noise(name) for name in ("weight", "mark", "x")}
        each = MODEL.do(Factual(MODEL, {name: rows[name] for name in MODEL.graph}, noise), sex="male", area=35.0)
        check_same({name: value.flatten(0, 1) for name, value in answer.draws.items()}, dict(each))
        heavier = 20.0 * (1 - factual.drawn["sex"])  # 10 kg by itself, and 10 by the age
        assert_close(answer.draws["weight"].flatten(), rows["weight"] + heavier, rtol=0, atol=1e-3)


@pytest.mark.parametrize("kind", IMAGES)
def test_several_questions_about_one_item_are_each_its_own(kind):
    seen, model = known("sex", which=2), compiled(x=IMAGES[kind]())
    together = model.do(seen, area=torch.tensor([20.0, 30.0, 40.0]), particles=4, unknown="draw")
    assert together.draws["x"].shape == (3, 4, 1, 8, 8)
    assert together.factual_draws["sex"].shape == (3, 4)
    for row, area in enumerate((20.0, 30.0, 40.0)):
        alone = model.do(seen, area=area, particles=4, unknown="draw")
        check_same(alone.draws, {name: value[row] for name, value in together.draws.items()})
        assert (alone["x"] - WORLD["x"][2]).abs().max() > 1e-3
        assert torch.equal(alone.factual_draws["sex"], together.factual_draws["sex"][row])


def test_no_items_have_no_draws():
    answer = MODEL.do(known("sex", "age", which=slice(0)), **ASKED, particles=3)
    assert answer.draws["x"].shape == (0, 3, 1, 8, 8)
    assert answer.factual_draws["age"].shape == (0, 3)


def test_effects_add_up_draw_by_draw():
    ways = MODEL.effects(known("age"), sex="male", particles=3, unknown="draw")
    parts = {way: answer.draws["weight"] - WORLD["weight"][:6, None] for way, answer in ways._asdict().items()}
    assert_close(parts["total"], parts["direct"] + parts["indirect"], rtol=0, atol=1e-3)
    assert_close(parts["direct"], (10.0 * (1 - WORLD["sex"][:6]))[:, None].expand(-1, 3), rtol=0, atol=1e-3)


def test_ensembles_guides_and_intervals_draw_too():
    older = ci.LinearGaussian(weights={"sex": (0.0, 5.0)}, bias=55.0, scale=10.0)
    models = [compiled(), compiled(seed=1, age=older)]
    guided = [ci.Guided(model, Meter()) for model in models]
    answer = ci.Ensemble(guided).do(known("sex", "age"), **ASKED, particles=3)
    each = [model.do(known("sex", "age"), **ASKED, particles=3).factual_draws["age"] for model in guided]
    assert not torch.equal(*each)
    assert torch.equal(answer.factual_draws["age"], torch.cat(each, dim=1))
    assert_close(answer.factual["age"], torch.cat(each, dim=1).mean(1))
    for name in ("sex", "age"):
        assert torch.equal(answer[name], answer.factual[name])
    conformal = ci.Conformal(models[0], WORLD, Meter(), particles=2)
    assert conformal.do(known("sex"), **ASKED).factual_draws["sex"].shape == (6, 2)
    assert conformal.abduct(known("sex"), unknown="draw").drawn["sex"].shape == (12,)


def test_what_is_readable_is_read_and_not_drawn():
    model = compiled(Meter())
    factual = model.abduct(known("area", "sex"), unknown="draw")
    assert set(factual.drawn) == {"sex"}
    assert_close(factual.values["area"], WORLD["x"][:6].sum((1, 2, 3)))


# -- what is said of it ------------------------------------------------------------------------------------------------


def test_a_frame_a_figure_and_a_folder_say_what_was_drawn(tmp_path):
    pandas = pytest.importorskip("pandas")
    answer = MODEL.do(known("age", "sex", which=slice(2)), **ASKED, particles=3)
    frame = answer.to_frame()
    assert (frame["drawn"] == "sex, age").all()
    assert frame["factual", "age"].tolist() == answer.factual_draws["age"].flatten().tolist()
    assert frame["factual", "weight"].tolist() == WORLD["weight"][:2].repeat_interleave(3).tolist()
    assert "drawn" not in MODEL.do(known(), area=30.0).to_frame()
    said = [text.get_text() for text in answer.plot().texts]
    assert sum("not known, drawn: sex, age" in text for text in said) == 2
    answer.save(tmp_path)
    table = pandas.read_csv(tmp_path / "answers.csv")
    assert table["drawn"].tolist() == ["sex, age"] * 2
    assert table["factual age"].tolist() == pytest.approx(answer.factual["age"].tolist())


def test_support_is_that_of_the_middle_of_the_draws():
    model = compiled()
    model.supports = supports_of(model.graph, WORLD)
    answer = model.do(known("sex"), **ASKED, particles=5)
    expected = model.supports["x"].of_causes(
        {"sex": answer.factual_draws["sex"].mode(1).values, "area": answer["area"]}
    )
    assert torch.equal(answer.support, expected)


def test_what_is_measured_but_not_read_comes_with_a_warning():
    with pytest.warns(UserWarning, match="area: measured on the image, but drawn without a look at it"):
        MODEL.abduct(known("area"), unknown="draw")


def test_what_next_to_no_candidate_goes_with_comes_with_a_warning():
    seen = known("age")
    seen["weight"][4] = 300.0
    with pytest.warns(UserWarning, match=r"age: of 1 of 6 items next to no candidate .*row 4: .* of 4096 count"):
        MODEL.abduct(seen, unknown="draw")


def test_what_is_impossible_whoever_it_is_is_refused():
    seen = known("age")
    seen["weight"][2] = 1e30
    with pytest.raises(ValueError, match="row 2: weight, area can't be as given, whatever age may be"):
        MODEL.do(seen, **ASKED)
    seen = known("sex")
    seen["weight"][3] = -1e30
    with pytest.raises(ValueError, match="row 3: .*weight.* can't be as given, whatever sex may be"):
        MODEL.do(seen, **ASKED)


@pytest.mark.parametrize(
    ("given", "unknown", "said"),
    [
        (known("sex", "age"), "refuse", r"missing: sex, age\. Give .*unknown='draw'"),
        (known("sex"), "drwa", "unknown value of unknown= 'drwa'. Did you mean 'draw'"),
        (known("x"), "draw", "missing: x. Images are not drawn: give each; `sample`"),
        ({}, "draw", "nothing is given, .*`sample`"),
    ],
)
def test_what_can_not_be_drawn_is_refused(given, unknown, said):
    with pytest.raises(ValueError, match=said):
        MODEL.do(given, area=30.0, unknown=unknown)


def test_changes_of_what_nobody_knew_are_refused():
    with pytest.raises(ValueError, match=r"do\(age=...\): .* relative to what was seen of it, and nothing was"):
        MODEL.do(known("age"), age=ci.shift(10.0), unknown="draw")
    with pytest.raises(ValueError, match="tipping is of what is known, and nobody knew age: give a value"):
        MODEL.tipping(MODEL.abduct(known("age"), unknown="draw"), sex="male")
    assert (MODEL.do(known("age"), age=40.0, unknown="draw")["age"] == 40).all()


def test_a_mechanism_that_is_not_fitted_or_says_no_likelihood_is_refused():
    with pytest.raises(ValueError, match="Mute, of weight, is no Likelihood: .* what weight tells of age"):
        compiled(weight=Mute()).do(known("age"), **ASKED)
    assert compiled(weight=Mute()).do(known("weight"), **ASKED).factual_draws.keys() == {"weight"}
    with pytest.raises(ValueError, match="age is not trained"):
        compiled(age=ci.LinearGaussian()).do(known("age"), **ASKED)
    with pytest.raises(ValueError, match="weight is not trained"):
        compiled(weight=ci.LinearGaussian()).do(known("sex"), **ASKED)


def test_many_levels_together_are_drawn_and_not_listed():
    levels = tuple(map(str, range(17)))
    graph = ci.Graph.of(
        **{name: ci.Categorical(levels=levels) for name in "abc"}, v=ci.Continuous(parents=["a", "b", "c"])
    )
    model = ci.compile(graph, v=ci.LinearGaussian(weights={"a": tuple(range(17))}, scale=0.5))
    for name in "abc":
        model.mechanisms[name].fitted.fill_(True)
    posterior = Posterior(model, ["a", "b", "c"])
    assert not posterior.listed
    found = model.abduct({"v": torch.full((20,), 8.0)}, particles=50, unknown="draw").drawn
    assert len(found["b"].unique()) == 17
    assert found["a"].float().mean() == pytest.approx(8.0, abs=0.1)
    assert CANDIDATES < 17**3
