"""The HVAE: exact inversion, a bound that is one, an exogenous prior, and shapes that fit or are refused."""

import math

import pytest
import torch

import causalimg as ci
from causalimg.mechanisms.likelihood import discretised, gaussian
from causalimg.mechanisms.response import answer
from causalimg.values import widen

SMALL = {"widths": (8, 16), "latents": (2, 4), "embedding": 8}


def bound_hvae(shape=(1, 16, 16), **settings):
    graph = ci.Graph.of(
        a=ci.Continuous(), s=ci.Categorical(levels=("f", "m")), x=ci.Image(parents=["a", "s"], shape=shape)
    )
    torch.manual_seed(0)
    hvae = ci.HVAE(**(SMALL | settings)).bind(graph, "x")
    parents = {"a": torch.randn(5), "s": torch.tensor([0, 1, 0, 1, 1])}
    return hvae, torch.rand(5, *shape), parents


@pytest.mark.parametrize("likelihood", ["gaussian", "discretised"])
@pytest.mark.parametrize("shape", [(1, 16, 16), (3, 8, 24)])
def test_the_noise_gives_the_image_back(shape, likelihood):
    hvae, x, parents = bound_hvae(shape, likelihood=likelihood)
    u, nll = hvae.abduct(x, parents)
    assert (hvae.predict(u, parents) - x).abs().max() < 1e-5
    assert nll.shape == (5,)
    assert nll.isfinite().all()


def test_images_in_other_bounds_come_back_in_them():
    graph = ci.Graph.of(x=ci.Image(shape=(1, 16, 16), bounds=(-1000, 400)))
    hvae = ci.HVAE(**SMALL).bind(graph, "x")
    x = -1000 + 1400 * torch.rand(3, 1, 16, 16)
    assert (hvae.predict(hvae.abduct(x, {}).u, {}) - x).abs().max() < 1e-5 * 1400
    drawn = hvae.predict(hvae.noise(3), {})
    assert -1000 <= drawn.min() <= drawn.max() <= 400


def test_the_prior_is_exogenous_and_parents_reach_the_image():
    hvae, x, parents = bound_hvae()
    for p in hvae.parameters():
        torch.nn.init.normal_(p, std=0.1)
    other = parents | {"a": parents["a"] + 1}
    u = hvae.abduct(x, parents).u
    assert not torch.equal(hvae.predict(u, parents), hvae.predict(u, other))
    names = {name.split(".")[0] for name, p in hvae.latent.named_parameters() if "film" in name}
    assert names == set()


def test_no_parents_no_embedding():
    hvae = ci.HVAE(**SMALL).bind(ci.Graph.of(x=ci.Image(shape=(1, 16, 16))), "x")
    assert hvae.embed is None
    assert not any("film" in name for name, _ in hvae.named_parameters())


@pytest.mark.parametrize(
    ("settings", "shape", "message"),
    [
        ({}, (1, 18, 16), "18x16 is not divisible by 4 .* nearest size that works is 16x16"),
        ({}, (1, 3, 3), "nearest size that works is 4x4"),
        ({}, (2, 16, 16), "1 or 3 channels, not 2"),
        ({"latents": (1,)}, (1, 16, 16), "2 widths need as many latents, got 1"),
        ({"latents": (0, 0)}, (1, 16, 16), "no latents"),
    ],
)
def test_what_does_not_fit_is_refused(settings, shape, message):
    with pytest.raises(ValueError, match=f"x: HVAE: .*{message}"):
        bound_hvae(shape, **settings)


def test_an_image_is_no_parent_of_an_image_here():
    graph = ci.Graph.of(a=ci.Image(shape=(1, 16, 16)), x=ci.Image(parents=["a"], shape=(1, 16, 16)))
    with pytest.raises(ValueError, match="the parent 'a' is Image"):
        ci.HVAE(**SMALL).bind(graph, "x")


@pytest.mark.parametrize("scale", [0.001, 0.05, 0.7])
@pytest.mark.parametrize("loc", [-0.2, 0.0, 0.31, 1.0])
def test_the_probabilities_of_all_grey_levels_add_up_to_one(loc, scale):
    levels = torch.linspace(0, 1, 256, dtype=torch.float64).reshape(256, 1, 1, 1)
    nll = discretised(levels, torch.full_like(levels, loc), torch.full_like(levels, scale))
    assert nll.neg().exp().sum().item() == pytest.approx(1.0, abs=2e-3)


def test_the_gaussian_is_the_density():
    value, loc, scale = torch.rand(3, 4, 1, 2, 2).unbind()
    expected = -torch.distributions.Normal(loc, scale + 0.1).log_prob(value).flatten(1).sum(1)
    assert torch.allclose(gaussian(value, loc, scale + 0.1), expected, atol=1e-5)


def test_the_negative_elbo_is_a_bound_whose_gap_closes_with_training():
    """Every pixel of x is one draw from N(a, .1), so the true negative log-likelihood is known; nothing can be below it."""
    graph = ci.Graph.of(a=ci.Continuous(), x=ci.Image(parents=["a"], shape=(1, 4, 4)))
    torch.manual_seed(0)
    a = 0.3 + 0.4 * torch.rand(512)
    x = (a[:, None, None, None] + 0.05 * torch.randn(512, 1, 4, 4)).clamp(0, 1)
    model = ci.compile(graph, x=ci.HVAE(widths=(8,), latents=(1,), embedding=8))
    world = {"a": a, "x": x}
    model.fit(world, a=ci.Recipe(steps=5), x=ci.Recipe(steps=300, batch=64, lr=5e-3, warmup=10))
    found = model.mechanisms["x"].abduct(x, {"a": a}).nll.mean() / 16
    truth = gaussian(x, a[:, None, None, None].expand_as(x), torch.full_like(x, 0.05)).mean() / 16
    assert truth - 0.05 < found < truth + 0.15


def test_no_answer_leaves_every_pixel_and_a_move_takes_it_from_where_it_points():
    pixels = torch.rand(2, 1, 8, 8)
    response = torch.zeros(2, 3, 8, 8)
    assert (answer(pixels, response) - pixels).abs().max() < 1e-5
    response[:, 0] = 16 * 0.5 * math.atanh(0.25)  # a bounded move by 1/8 of half the side: of 8 pixels, half a pixel
    moved = answer(pixels, response)
    expected = (pixels[..., :-1] + pixels[..., 1:]) / 2
    assert (moved[..., :-1] - expected).abs().max() < 1e-5
    far = answer(pixels, torch.cat([torch.full((2, 2, 8, 8), 1e6), torch.zeros(2, 1, 8, 8)], dim=1))
    assert (far[..., :-2, :-2] - pixels[..., 2:, 2:]).abs().max() < 1e-5  # half of half the side: two pixels
    painted = answer(pixels, torch.tensor([0.0, 0.0, 2.0]).view(1, 3, 1, 1).expand(2, 3, 8, 8))
    assert (painted - pixels - 0.2).abs().max() < 1e-5


def responsive(**settings):
    """A mechanism whose response has been shaken, and told to answer to `a` alone."""
    hvae, x, parents = bound_hvae(**settings)
    hvae.prepare_finetuning(["a"])
    for p in hvae.answering.parameters():
        torch.nn.init.normal_(p, std=0.5)
    return hvae, x, parents


def test_a_response_moves_the_counterfactual_but_neither_the_factual_nor_its_likelihood():
    hvae, x, parents = responsive()
    torch.manual_seed(1)
    u, nll = hvae.abduct(x, parents)
    assert (hvae.predict(u, parents) - x).abs().max() < 1e-5
    shaken = hvae.predict(u, parents | {"a": parents["a"] + 1})
    for p in hvae.answering.parameters():
        torch.nn.init.zeros_(p)
    torch.manual_seed(1)
    assert torch.equal(hvae.abduct(x, parents).nll, nll)
    assert (hvae.predict(u, parents | {"a": parents["a"] + 1}) - shaken).abs().mean() > 1e-2


def test_what_no_guidance_spoke_for_is_not_answered_to():
    hvae, x, parents = responsive()
    for p in hvae.decoder.parameters():
        torch.nn.init.zeros_(p)  # without a base that depends on parents, all change is the response's
    u = hvae.abduct(x, parents).u
    assert (hvae.predict(u, parents | {"s": 1 - parents["s"]}) - x).abs().max() < 1e-5
    assert (hvae.predict(u, parents | {"a": parents["a"] + 1}) - x).abs().mean() > 1e-2


def test_the_latents_of_one_image_run_once_however_many_questions_it_is_asked():
    hvae, x, parents = responsive()
    u = hvae.abduct(x[:1], {name: value[:1] for name, value in parents.items()}).u
    rows = []
    hvae.latent.stages["0"].register_forward_hook(lambda stage, given, features: rows.append(len(features)))
    repeated = hvae.predict({name: widen(part, 5) for name, part in u.items()}, parents)
    copied = hvae.predict({name: widen(part, 5).clone() for name, part in u.items()}, parents)
    assert rows == [1, 5]
    assert (repeated - copied).abs().max() < 1e-5


def test_a_response_is_learnt_from_its_first_step():
    hvae, x, parents = bound_hvae()
    hvae.prepare_finetuning(["a"])[0].requires_grad_(True)
    u = {key: part.detach() for key, part in hvae.abduct(x, parents).u.items()}
    (hvae.predict(u, parents | {"a": parents["a"] + 1}) * torch.rand_like(x)).sum().backward()
    assert all(leave.weight.grad.abs().sum() > 0 for leave in hvae.answering.leave)


def test_without_a_response_fine_tuning_trains_everything():
    hvae, _, _ = bound_hvae(response=0)
    assert hvae.prepare_finetuning(["a"]) == [hvae]
    assert hvae.answering is None
