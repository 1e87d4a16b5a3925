"""Gumbel-max: what was seen comes back in every draw, and the noise found is noise."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from mechanism_calls import explain
from torch.testing import assert_close

import causalimg as ci


def known(*logits):
    """A mechanism without parents, with these logits."""
    levels = tuple(f"level {i}" for i in range(len(logits)))
    mechanism = ci.GumbelMax().bind(ci.Graph.of(v=ci.Categorical(levels=levels)), "v")
    with torch.no_grad():
        mechanism.network.linear.bias.copy_(torch.tensor(logits))
    return mechanism


@pytest.fixture(autouse=True)
def _seeded():
    torch.manual_seed(0)


@pytest.mark.parametrize("logits", [(0.0, 0.0), (3.0, -1.0), (60.0, -60.0), (0.0, 0.0, 0.0, 0.0, 8.0)])
def test_the_factual_level_comes_back_in_every_draw(logits):
    mechanism = known(*logits)
    for level in range(len(logits)):
        seen = torch.full((100_000,), level)
        assert (mechanism.predict(explain(mechanism, seen, {}).u, {}) == level).all()


@given(logits=st.lists(st.floats(-30, 30), min_size=2, max_size=6), seed=st.integers(0, 1000))
@settings(max_examples=50, deadline=None)
def test_the_factual_level_comes_back_whatever_the_logits(logits, seed):
    torch.manual_seed(seed)
    mechanism = known(*logits)
    seen = torch.randint(len(logits), (500,))
    assert torch.equal(mechanism.predict(explain(mechanism, seen, {}).u, {}), seen)


def test_noise_found_in_sampled_values_is_gumbel_noise():
    n = 50_000
    mechanism = known(1.0, 0.0, -2.0)
    with torch.no_grad():
        u = explain(mechanism, mechanism.predict(mechanism.noise(n), {}), {}).u
    for column in u.T:
        cdf = (-(-column.sort().values).exp()).exp()
        distance = (cdf - (torch.arange(n) + 0.5) / n).abs().max()
        assert distance * math.sqrt(n) < 1.63  # Kolmogorov-Smirnov, p = 0.01
    correlation = torch.corrcoef(u.T) - torch.eye(3)
    assert correlation.abs().max() < 4 / math.sqrt(n)


def test_the_posterior_is_that_of_rejection():
    mechanism = known(1.0, 0.0, -2.0)
    with torch.no_grad():
        u = mechanism.noise(200_000)
        u = u[mechanism.predict(u, {}) == 2]
        found = explain(mechanism, torch.full((len(u),), 2), {}).u
    assert_close(found.mean(0), u.mean(0), rtol=0, atol=5 * 1.3 * math.sqrt(2 / len(u)))
    assert_close(found.std(0), u.std(0), rtol=0.05, atol=0)


def test_what_becomes_relatively_likelier_stays():
    """Counterfactual stability (Oberst & Sontag, 2019): a level whose odds against every other one rise stays the one seen."""
    before, after = known(0.5, 0.0, -1.0), known(0.0, 1.0, -1.2)
    with torch.no_grad():
        u = explain(before, torch.ones(10_000, dtype=torch.long), {}).u
        assert (after.predict(u, {}) == 1).all()


def test_nll_is_the_cross_entropy():
    nll = explain(known(3.0, -1.0), torch.tensor([0, 1]), {}).nll
    assert_close(nll, torch.tensor([math.log1p(math.exp(-4)), 4 + math.log1p(math.exp(-4))]))


def test_training_finds_the_probabilities_under_each_parent():
    graph = ci.Graph.of(sex=ci.Categorical(levels=("f", "m")), v=ci.Categorical(levels=tuple("abc"), parents=["sex"]))
    truth = torch.tensor([[0.7, 0.2, 0.1], [0.1, 0.3, 0.6]])
    sex = torch.randint(2, (4000,))
    v = torch.multinomial(truth[sex], 1)[:, 0]
    mechanism = ci.GumbelMax().bind(graph, "v")
    optimizer = torch.optim.AdamW(mechanism.parameters(), lr=mechanism.recipe.lr)
    for _ in range(100):
        optimizer.zero_grad()
        explain(mechanism, v, {"sex": sex}).nll.mean().backward()
        optimizer.step()
    everyone = {"sex": torch.tensor([0, 0, 0, 1, 1, 1])}
    found = explain(mechanism, torch.tensor([0, 1, 2, 0, 1, 2]), everyone).nll.neg().exp()
    assert_close(found.reshape(2, 3), truth, rtol=0, atol=0.04)
