"""The conditional flow: exact inverses, exact likelihoods, bounds kept, parents heeded."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from mechanism_calls import explain
from strategies import bounds
from torch.testing import assert_close

import causalimg as ci
from causalimg.mechanisms.mechanism import OF_NUMBERS
from causalimg.mechanisms.supports import Standardise

PARENTS = {"a": ci.Continuous(), "c": ci.Categorical(levels=("x", "y", "z"))}
worlds = given(limits=bounds(), bins=st.sampled_from([0, 1, 8]), seed=st.integers(0, 10**6))
several = settings(max_examples=25, deadline=None)


def parents(n):
    return {"a": torch.randn(n), "c": torch.randint(3, (n,))}


def values(limits, n=200):
    """Values all over what is allowed, the first ones on the bounds."""
    low, high = limits
    start, span = (low or 0.0 if high is None else high - 20.0 if low is None else low), 20.0
    inside = start + (span if None in limits else high - low) * torch.rand(n)
    return torch.cat([torch.tensor([bound for bound in limits if bound is not None]), inside])[:n]


def bind(limits, **flow):
    return ci.ConditionalFlow(**flow).bind(
        ci.Graph.of(**PARENTS, v=ci.Continuous(bounds=limits, parents=["a", "c"])), "v"
    )


def random_flow(limits, bins, seed):
    """A flow with random weights, prepared on `values`."""
    torch.manual_seed(seed)
    mechanism = bind(limits, bins=bins)
    for parameter in mechanism.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    mechanism.prepare(values(limits), parents(200))
    return mechanism


@worlds
@several
def test_values_on_and_within_bounds_come_back_and_have_gradients(limits, bins, seed):
    mechanism, value, given_parents = random_flow(limits, bins, seed), values(limits), parents(200)
    u, nll = explain(mechanism, value, given_parents)
    again = mechanism.predict(u, given_parents)
    assert_close(again, value, rtol=1e-6, atol=1e-5 * float(mechanism.scale))
    assert nll.isfinite().all()
    (nll.mean() + again.mean()).backward()
    assert all(p.grad.isfinite().all() for p in mechanism.parameters())


@worlds
@several
def test_draws_keep_to_the_bounds(limits, bins, seed):
    mechanism = random_flow(limits, bins, seed)
    u = torch.cat([mechanism.noise(500), mechanism.noise(2).sign() * 40])
    assert not mechanism.variable.outside(mechanism.predict(u, parents(502))).any()


@worlds
@several
@torch.no_grad()
def test_the_density_integrates_to_the_noise_that_leads_within_the_bounds(limits, bins, seed):
    """∫ exp(-nll) dv = Φ(u(high)) - Φ(u(low)): all but what `predict` puts exactly on the bounds."""
    mechanism = random_flow(limits, bins, seed)
    same = {name: column.expand(20001) for name, column in parents(1).items()}
    grid = mechanism.predict(torch.linspace(-7, 7, 20001, dtype=torch.float64), same)
    u, nll = explain(mechanism, grid, same)
    assert (grid.diff() >= 0).all()
    between = torch.special.ndtr(u[-1]) - torch.special.ndtr(u[0])
    assert_close(torch.trapezoid(nll.neg().exp(), grid), between.float(), rtol=0, atol=5e-3)


@worlds
@several
def test_the_likelihood_has_the_slope_that_autograd_finds(limits, bins, seed):
    mechanism, value = random_flow(limits, bins, seed), values(limits).requires_grad_()
    u, nll = explain(mechanism, value, parents(200))
    (slope,) = torch.autograd.grad(u.sum(), value)
    assert (slope > 0).all()
    expected = 0.5 * u.square() + 0.5 * math.log(2 * math.pi) - slope.log()
    assert_close(nll, expected.float(), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("bins", [0, 8])
def test_values_far_in_the_tails_come_back(bins):
    mechanism = random_flow((0, None), bins, seed=1)
    value = torch.tensor([1e-6, 1e-3, 1e3, 1e5, 1e7])
    given_parents = parents(5)
    assert_close(
        mechanism.predict(explain(mechanism, value, given_parents).u, given_parents), value, rtol=1e-5, atol=1e-5
    )


def test_mixed_precision_does_not_reach_the_flow():
    mechanism, value, given_parents = random_flow((0, 1), 8, seed=0), values((0, 1)), parents(200)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        mixed = explain(mechanism, value, given_parents)
    full = explain(mechanism, value, given_parents)
    assert torch.equal(mixed.u, full.u)
    assert torch.equal(mixed.nll, full.nll)


def test_a_column_that_never_varies_does_no_harm():
    mechanism = bind((0, None))
    mechanism.prepare(torch.full((50,), 3.0), parents(50))
    u, nll = explain(mechanism, torch.full((50,), 3.0), parents(50))
    assert nll.isfinite().all()
    assert_close(mechanism.predict(u, parents(50)), torch.full((50,), 3.0))


def test_standardise_is_plain_far_from_the_bounds():
    center, scale = torch.tensor(50.0).double(), torch.tensor(2.0).double()
    value = torch.linspace(30, 70, 9).double()
    assert_close(Standardise(center, scale, (0, 110))(value), (value - 50) / 2, rtol=0, atol=1e-6)


# -- learning ----------------------------------------------------------------------------------------------------------


def fit(mechanism, value, given_parents):
    """Training by the recipe of numbers, with a rate that falls linearly."""
    mechanism.prepare(value, given_parents)
    recipe = OF_NUMBERS
    optimizer = torch.optim.AdamW(mechanism.parameters(), lr=recipe.lr, weight_decay=recipe.weight_decay)
    schedule = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.05, recipe.steps)
    for _ in range(recipe.steps):
        rows = torch.randint(len(value), (recipe.batch,))
        optimizer.zero_grad()
        nll = explain(mechanism, value[rows], {name: column[rows] for name, column in given_parents.items()}).nll
        nll.mean().backward()
        optimizer.step()
        schedule.step()


def test_learns_a_linear_gaussian_truth_and_its_counterfactuals():
    torch.manual_seed(0)
    truth = ci.LinearGaussian(weights={"a": 4.0, "c": (0.0, 5.0, -3.0)}, bias=40.0, scale=2.0)
    truth = truth.bind(ci.Graph.of(**PARENTS, v=ci.Continuous(parents=["a", "c"])), "v")
    seen, unseen = parents(2000), parents(2000)
    u = truth.noise(2000)
    value = truth.predict(u, unseen)
    mechanism = bind((0, None))
    fit(mechanism, truth.predict(truth.noise(2000), seen), seen)
    found = explain(mechanism, value, unseen)
    assert found.nll.mean() < explain(truth, value, unseen).nll.mean() + 0.05
    changed = {"a": unseen["a"] * 0.5, "c": (unseen["c"] + 1) % 3}
    error = mechanism.predict(found.u, changed) - truth.predict(u, changed)
    assert error.square().mean().sqrt() < 0.25 * 2.0  # of the noise's scale


def test_the_spline_learns_two_modes_that_an_affine_flow_can_not():
    torch.manual_seed(0)

    def draw(n):
        given_parents = parents(n)
        mode = torch.where(torch.rand(n) < 0.3, -2.0, 1.0)
        return given_parents["a"] + mode + 0.3 * torch.randn(n), given_parents

    (seen, seen_parents), (unseen, unseen_parents) = draw(2000), draw(2000)
    nll = {}
    for bins in (0, 8):
        mechanism = bind((None, None), bins=bins)
        fit(mechanism, seen, seen_parents)
        nll[bins] = float(explain(mechanism, unseen, unseen_parents).nll.mean().detach())
    entropy = 0.611 + 0.5 * math.log(2 * math.pi * math.e * 0.3**2)  # of the choice of mode, and of the noise
    assert nll[8] < entropy + 0.1 < nll[0] - 0.5
