"""What is unobserved is declared, what it makes unknowable is said, and by how much an answer could move has a closed form."""

import warnings
from math import sqrt

import pytest
import torch
from torch.testing import assert_close

import causalimg as ci

SIGMA_DOSE, SIGMA_AREA, SLOPE, RHO = 2.0, 3.0, 0.5, 0.6


class Hidden(ci.Graph):
    """Frailty, which nobody wrote down, is behind the dose and the area."""

    frailty = ci.Unobserved()
    dose = ci.Continuous(parents=[frailty])
    area = ci.Continuous(parents=[frailty, dose])
    x = ci.Image(parents=[area], shape=(1, 8, 8))


class Bright(ci.Mechanism):
    """An image as bright as the area says."""

    handles = (ci.Image,)

    def build(self):
        self.fitted.fill_(True)

    def noise(self, n, generator=None):
        return torch.randn(n, *self.variable.value_shape, generator=generator)

    def predict(self, u, parents):
        return (
            torch.sigmoid(next(iter(parents.values())) / 10)[:, None, None, None].expand(-1, *self.variable.value_shape)
            + 0 * u
        )

    def abduct(self, value, parents, prior):
        return prior

    def loss(self, value, parents):
        return value.flatten(1).sum(1)


@pytest.fixture
def model():
    """What is learnt, without end of data, of a dose and an area whose noises have the correlation RHO."""
    slope, left = SLOPE + RHO * SIGMA_AREA / SIGMA_DOSE, SIGMA_AREA * sqrt(1 - RHO**2)
    return ci.compile(
        Hidden,
        dose=ci.LinearGaussian(scale=SIGMA_DOSE),
        area=ci.LinearGaussian(weights={"dose": slope}, scale=left),
        x=Bright(),
    )


@pytest.fixture
def seen(model):
    return model.sample(6, seed=1)


TRULY = {("dose", "area"): RHO}


# -- what is declared --------------------------------------------------------------------------------------------------


def test_it_is_no_variable_but_the_graph_knows_it():
    graph = Hidden()
    assert list(graph) == ["dose", "area", "x"]
    assert graph.parents("area") == ("dose",)
    assert graph.parents("dose") == ()
    assert graph.unobserved == {"frailty": ("dose", "area")}
    assert graph != ci.Graph.of(**dict(graph.variables))


def test_a_graph_with_it_makes_every_round_trip():
    graph = Hidden()
    again = (
        ci.Graph.from_json(graph.to_json()),
        ci.Graph.from_yaml(graph.to_yaml()),
        ci.Graph.from_networkx(graph.to_networkx()),
    )
    for other in again:
        assert other == graph
        assert other.unobserved == graph.unobserved
    assert "frailty" in repr(graph)


def test_it_has_no_causes_of_its_own():
    with pytest.raises(ValueError, match="has no parents"):
        ci.Graph.of(a=ci.Continuous(), u=ci.Unobserved(parents=["a"]))


def test_it_can_not_be_set_given_or_sampled(model, seen):
    assert set(seen) == {"dose", "area", "x"}
    for ask in (lambda: model.do(seen, frailty=1.0), lambda: model.do(seen | {"frailty": 1.0})):
        with pytest.raises(ValueError, match="frailty is declared Unobserved"):
            ask()


def test_it_is_drawn(tmp_path):
    figure = ci.draw_graph(Hidden, tmp_path / "graph.png")
    words = {text.get_text() for axes in figure.axes for text in axes.texts}
    assert {"frailty", "unobserved"} <= words


GRAPHS = {
    "an edge beside it": ({"u": ["a", "b"]}, {"b": ["a"]}, ["a"], {"b": ("u",)}),
    "no edge beside it": ({"u": ["a", "b"]}, {"c": ["a"]}, ["a"], {}),
    "by way of another": ({"u": ["a", "c"]}, {"b": ["a"], "c": ["b"]}, ["b"], {"c": ("u",)}),
    "blocked by a parent": ({"u": ["a", "c"]}, {"b": ["a"], "c": ["a", "b"]}, ["b"], {}),
    "opened by a parent": ({"u": ["a", "b"], "w": ["a", "c"]}, {"c": ["a", "b"]}, ["b"], {"c": ("u", "w")}),
    "not of what doesn't move": ({"u": ["a", "c"]}, {"c": ["a", "b"]}, ["b"], {}),
    "in what follows": ({"u": ["b", "c"]}, {"b": ["a"], "c": ["b"]}, ["a"], {"c": ("u",)}),
    "nothing is set": ({"u": ["a", "b"]}, {"b": ["a"]}, [], {}),
    "what is set is known": ({"u": ["a", "b"]}, {"b": ["a"]}, ["a", "b"], {}),
    "two": ({"u": ["a", "b"], "w": ["a", "b"]}, {"b": ["a"]}, ["a"], {"b": ("u", "w")}),
}


@pytest.mark.parametrize("case", GRAPHS)
def test_what_is_confounded(case):
    hidden, edges, names, expected = GRAPHS[case]
    parents = {v: [*edges.get(v, []), *(u for u, effects in hidden.items() if v in effects)] for v in "abc"}
    variables = {v: ci.Continuous(parents=parents[v]) for v in "abc"}
    graph = ci.Graph.of(**{u: ci.Unobserved() for u in hidden}, **variables)
    assert graph.confounded(*names) == expected


# -- what is said ------------------------------------------------------------------------------------------------------


def test_do_warns_of_what_was_learnt_wrong(model, seen):
    for ask in (model.do, model.effects, ci.Ensemble([model]).do):
        with pytest.warns(UserWarning, match="dose brings about in area is not what the model has learnt") as caught:
            ask(seen, dose=1.0)
        assert caught[0].filename == __file__
        assert "frailty, unobserved" in str(caught[0].message)
        assert "`tipping`" in str(caught[0].message)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model.do(seen, area=1.0)  # frailty has no say in how the image follows
        model.do(seen, dose=1.0, confounding=TRULY)


def test_of_an_image_nothing_more_is_known_and_of_other_effects_it_is_said_too():
    causes = ["u", "a"]
    graph = ci.Graph.of(
        u=ci.Unobserved(),
        a=ci.Continuous(parents=["u"]),
        b=ci.Continuous(parents=causes),
        x=ci.Image(parents=causes, shape=(1, 8, 8)),
    )
    model = ci.compile(graph, a=ci.LinearGaussian(scale=2.0), b=ci.LinearGaussian(scale=2.0), x=Bright())
    with pytest.warns(UserWarning, match="in x") as caught:
        model.do(model.sample(2), a=1.0, confounding={("a", "b"): 0.5})
    (only,) = caught
    assert "tipping" not in str(only.message)


# -- by how much -------------------------------------------------------------------------------------------------------


def test_told_the_correlation_the_answer_is_the_true_one(model, seen):
    answer = model.do(seen, dose=ci.shift(2.0), confounding=TRULY)
    assert_close(answer["area"], seen["area"] + SLOPE * 2.0, rtol=1e-4, atol=1e-4)
    assert not torch.allclose(
        model.do(seen, dose=ci.shift(2.0), confounding={("dose", "area"): 0.0})["area"], answer["area"]
    )
    assert_close(answer["x"][:, 0, 0, 0], torch.sigmoid(answer["area"] / 10))


def test_several_parents_share_one_unobserved_cause():
    weights, rhos, scales = torch.tensor([0.5, -1.0]), torch.tensor([0.5, 0.4]), torch.tensor([2.0, 0.5])
    left = float(SIGMA_AREA * (1 - rhos.square().sum()).sqrt())
    learnt = (weights + rhos * SIGMA_AREA / scales).tolist()
    graph = ci.Graph.of(a=ci.Continuous(), b=ci.Continuous(), v=ci.Continuous(parents=["a", "b"]))
    model = ci.compile(
        graph,
        a=ci.LinearGaussian(scale=2.0),
        b=ci.LinearGaussian(scale=0.5),
        v=ci.LinearGaussian(weights=dict(zip("ab", learnt, strict=True)), scale=left),
    )
    seen = model.sample(5)
    told = {("a", "v"): 0.5, ("b", "v"): 0.4}
    answer = model.do(seen, a=ci.shift(1.0), b=ci.shift(-2.0), confounding=told)
    assert_close(answer["v"], seen["v"] + 0.5 * 1.0 - 1.0 * -2.0, rtol=1e-4, atol=1e-4)
    for name, rho in (("a", 0.5), ("b", 0.4)):
        told[name, "v"] = torch.full((5,), rho)  # one for each row
    assert_close(model.do(seen, a=ci.shift(1.0), b=ci.shift(-2.0), confounding=told, particles=2)["v"], answer["v"])
    one = model.do(seen, a=ci.shift(1.0), confounding=told)  # b stays, and so does its noise
    assert_close(one["v"], seen["v"] + 0.5, rtol=1e-4, atol=1e-4)


def test_what_would_explain_an_effect_away_does(model, seen):
    steep = (SLOPE + RHO * SIGMA_AREA / SIGMA_DOSE) * SIGMA_DOSE / (SIGMA_AREA * sqrt(1 - RHO**2))
    found = model.tipping(seen, dose=ci.shift(-1.5))
    assert found.keys() == {"area"}
    assert_close(found["area"], torch.full((6,), steep / sqrt(1 + steep**2)), rtol=1e-4, atol=1e-4)
    undone = model.do(seen, dose=ci.shift(-1.5), confounding={("dose", "area"): found["area"][0].item()})
    assert_close(undone["area"], seen["area"], rtol=1e-4, atol=1e-3)


def test_and_so_it_does_where_nothing_is_linear():
    graph = ci.Graph.of(a=ci.Continuous(bounds=(0, None)), v=ci.Continuous(parents=["a"], bounds=(0, 1)))
    a = torch.rand(300, generator=torch.Generator().manual_seed(0)).exp()
    v = torch.sigmoid(2 * (a - 1.5) + torch.randn(300, generator=torch.Generator().manual_seed(1)))
    model = ci.compile(graph)
    model.fit({"a": a, "v": v}, a=ci.Recipe(steps=60), v=ci.Recipe(steps=60))
    seen = {"a": a[:1], "v": v[:1]}
    rho = model.tipping(seen, a=2.5)["v"].item()
    assert 0.2 < rho < 1
    undone = model.do(seen, a=2.5, confounding={("a", "v"): rho})
    assert_close(undone["v"], seen["v"], rtol=1e-3, atol=1e-3)
    assert undone["a"] == 2.5


def test_nothing_asked_changes_nothing_however_confounded(model, seen):
    for nothing in ({}, {"dose": seen["dose"]}):
        assert_close(model.do(seen, **nothing, confounding=TRULY)["area"], seen["area"], rtol=1e-5, atol=1e-5)
    assert model.tipping(seen, dose=seen["dose"])["area"].isnan().all()
    one = {name: value[2] for name, value in seen.items()}
    asked = torch.stack([one["dose"], one["dose"] + 1])
    assert model.tipping(one, dose=asked)["area"].isnan().tolist() == [True, False]
    assert model.tipping(one, dose=1.0)["area"].shape == ()


def test_one_item_may_be_asked_many_questions_and_drawn_many_times(model, seen):
    one = {name: value[2] for name, value in seen.items()}
    doses = torch.linspace(-3, 3, 4)
    answers = model.do(one, dose=doses, confounding=TRULY)
    assert_close(answers["area"], one["area"] + SLOPE * (doses - one["dose"]), rtol=1e-4, atol=1e-4)
    drawn = model.do(seen, dose=ci.shift(2.0), confounding=TRULY, particles=3)
    assert_close(drawn.draws["area"], (seen["area"] + 1.0)[:, None].expand(-1, 3), rtol=1e-4, atol=1e-4)
    assert model.tipping(one, dose=doses)["area"].shape == (4,)


def test_answers_stay_float32():
    graph = ci.Graph.of(a=ci.Continuous(), b=ci.Continuous(parents=["a"]))
    model = ci.compile(graph, b=ci.LinearGaussian(scale=2.0))
    model.fit({"a": torch.randn(20), "b": torch.randn(20)}, a=ci.Recipe(steps=2))
    seen = {"a": torch.zeros(3), "b": torch.zeros(3)}
    assert model.do(seen, a=1.0, confounding={("a", "b"): 0.5})["b"].dtype == torch.float32


LINEAR = {"scale": 2.0, "bias": 0.5}
CHAIN = ci.Graph.of(z=ci.Continuous(), p=ci.Continuous(parents=["z"]), v=ci.Continuous(parents=["p"]))
BESIDE = ci.Graph.of(
    z=ci.Continuous(),
    q=ci.Continuous(parents=["z"]),
    p=ci.Continuous(parents=["q"]),
    v=ci.Continuous(parents=["p", "q"]),
)


@pytest.mark.parametrize(
    ("graph", "asked", "message"),
    [
        (CHAIN, {"p": 1.0}, "z, behind p, would have to be a parent of v, too"),
        (CHAIN, {"z": 1.0}, "z, behind p, would have to be a parent of v, too"),
        (BESIDE, {"z": 1.0, "p": 1.0}, "q, behind p, follows from what is set: set it as well"),
    ],
)
def test_where_the_closed_form_does_not_hold_it_is_refused(graph, asked, message):
    model = ci.compile(graph, **{name: ci.LinearGaussian(**LINEAR) for name in graph})
    with pytest.raises(ValueError, match=message):
        model.do(model.sample(2), **asked, confounding={("p", "v"): 0.5})
    assert "v" not in model.tipping(model.sample(2), **asked)


def test_a_parent_that_follows_keeps_its_noise():
    """z -> p -> v and z -> v: whatever is behind p and v, do(z) leaves the noise of both as it was."""
    graph = ci.Graph.of(z=ci.Continuous(), p=ci.Continuous(parents=["z"]), v=ci.Continuous(parents=["p", "z"]))
    model = ci.compile(graph, **{name: ci.LinearGaussian(**LINEAR) for name in graph})
    seen = model.sample(3)
    assert_close(model.do(seen, z=1.0, confounding={("p", "v"): 0.5})["v"], model.do(seen, z=1.0)["v"])


def test_what_is_not_fitted_or_of_another_model_is_refused(model, seen):
    raw = ci.compile(Hidden, x=Bright())
    with pytest.raises(ValueError, match="fit"):
        raw.tipping(seen, dose=1.0)
    half = ci.compile(Hidden, area=ci.LinearGaussian(scale=2.0), x=Bright())
    with pytest.raises(ValueError, match="dose"):
        half.do(seen, dose=1.0, confounding=TRULY)
    with pytest.raises(ValueError, match="another model"):
        model.tipping(raw.abduct(seen), dose=1.0)


@pytest.mark.filterwarnings("ignore:what dose brings about:UserWarning")
@pytest.mark.parametrize(
    ("told", "message"),
    [
        ({("area", "dose"): 0.1}, "area is no parent of dose: it has none"),
        ({("dose", "aera"): 0.1}, "Did you mean 'area'"),
        ({("area", "x"): 0.1}, "Bright, of x, is not Monotone"),
        ({"dose": 1.0}, "confounding: expected pairs"),
        ({("dose", "area"): 1.0}, "add up to 1 or more"),
        ({("dose", "area"): float("nan")}, r"confounding of dose and area: expected a finite number, .* got \(\): nan"),
        ({("dose", "area"): torch.zeros(5)}, r"confounding of dose and area: .* or 6 of them, got \(5,\)"),
        ({("dose", "area"): "strong"}, "confounding of dose and area: expected a finite number, .* got 'strong'"),
        ({("dose", "area"): None}, "confounding of dose and area: expected a finite number, .* got None"),
        ({("age", "dose", "area"): 0.1}, "confounding: expected pairs"),
        (0.3, r"confounding: expected correlations by \(parent, effect\), got float 0.3"),
    ],
)
def test_what_can_not_be_is_refused(model, seen, told, message):
    with pytest.raises((ValueError, TypeError), match=message):
        model.do(seen, dose=1.0, confounding=told)
