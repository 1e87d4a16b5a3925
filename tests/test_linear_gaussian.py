"""The linear-Gaussian mechanism: known exactly, or fitted exactly."""

import pytest
import torch
from mechanism_calls import explain
from torch.testing import assert_close

import causalimg as ci

GRAPH = ci.Graph.of(
    age=ci.Continuous(bounds=(0, 110)),
    site=ci.Categorical(levels=("north", "south", "west")),
    v=ci.Continuous(parents=["age", "site"]),
    w=ci.Continuous(bounds=(0, None)),
)
KNOWN = ci.LinearGaussian(weights={"age": 0.5, "site": (0.0, 5.0, -3.0)}, bias=20.0, scale=2.0)


def parents(n):
    return {"age": 20 + 60 * torch.rand(n), "site": torch.randint(3, (n,))}


def test_a_known_mechanism_is_its_formula():
    v = KNOWN.bind(GRAPH, "v")
    given = {"age": torch.tensor([40.0, 60.0]), "site": torch.tensor([1, 2])}
    assert_close(v.predict(torch.tensor([0.0, -1.5]), given), torch.tensor([45.0, 44.0]))
    u, nll = explain(v, torch.tensor([45.0, 44.0]), given)
    assert_close(u, torch.tensor([0.0, -1.5]))
    assert_close(nll, -torch.distributions.Normal(torch.tensor([45.0, 47.0]), 2.0).log_prob(torch.tensor([45.0, 44.0])))


def test_parents_without_a_weight_count_for_nothing():
    v = ci.LinearGaussian(bias=3.0).bind(GRAPH, "v")
    assert_close(v.predict(torch.zeros(4), parents(4)), torch.full((4,), 3.0))


def test_fitting_finds_the_most_likely_coefficients():
    given = parents(500)
    known = KNOWN.bind(GRAPH, "v")
    value = known.predict(known.noise(500), given)
    fitted = ci.LinearGaussian().bind(GRAPH, "v")
    fitted.prepare(value, given)
    best = explain(fitted, value, given).nll.mean()
    assert best < explain(known, value, given).nll.mean()
    for name in ("slope", "intercept", "sigma"):
        for factor in (0.98, 1.02):
            other = ci.LinearGaussian().bind(GRAPH, "v")
            other.load_state_dict(fitted.state_dict())
            getattr(other, name).mul_(factor)
            assert explain(other, value, given).nll.mean() > best
    unseen = parents(100)
    assert_close(fitted.predict(torch.zeros(100), unseen), known.predict(torch.zeros(100), unseen), rtol=0, atol=1.0)


def test_a_noiseless_relation_is_fitted_and_inverted():
    given = parents(50)
    v = ci.LinearGaussian().bind(GRAPH, "v")
    v.prepare(2 * given["age"] + 1, given)
    assert_close(v.predict(torch.zeros(50), given), 2 * given["age"] + 1, rtol=1e-5, atol=1e-3)


def test_counterfactuals_add_the_effect_of_what_changed():
    v = KNOWN.bind(GRAPH, "v")
    given = parents(20)
    value = v.predict(v.noise(20), given)
    older = given | {"age": given["age"] + 10}
    assert_close(v.predict(explain(v, value, given).u, older), value + 5.0)


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ({"aeg": 1.0}, "v: unknown parent 'aeg'. Did you mean 'age'?"),
        ({"site": (1.0, 2.0)}, "v: LinearGaussian: site needs 3 weights, got 2"),
        ({"age": (1.0, 2.0)}, "v: LinearGaussian: age needs 1 weights, got 2"),
    ],
)
def test_wrong_weights_are_refused(weights, message):
    with pytest.raises(ValueError, match=message.replace("?", r"\?")):
        ci.LinearGaussian(weights=weights).bind(GRAPH, "v")


def test_bounds_are_refused():
    with pytest.raises(ValueError, match="w: LinearGaussian: .*no bounds.*ConditionalFlow"):
        ci.LinearGaussian().bind(GRAPH, "w")
