"""The HVAE: exact inversion, a bound that is one, an exogenous prior, and shapes that fit or are refused."""

import pytest
import torch
from mechanism_calls import abduct, explain

import causalimg as ci
from causalimg.mechanisms.hierarchy import Inference, kernels_of
from causalimg.mechanisms.pixels import LIKELIHOODS, discretised, gaussian
from causalimg.values import map_tensors

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
    u, nll = explain(hvae, x, parents)
    assert (hvae.predict(u, parents) - x).abs().max() < 1e-5
    assert nll.shape == (5,)
    assert nll.isfinite().all()


@pytest.mark.parametrize("beyond", [-3.0, 4.0])
def test_where_a_location_lies_beyond_black_or_white_no_answer_shows_it(beyond, monkeypatch):
    hvae, _, parents = bound_hvae(likelihood="discretised")
    found = hvae._pixels
    extreme = float(beyond > 0)

    def pixels(features, embedding):
        _, scale = found(features, embedding)
        return beyond + 0 * scale, scale * (1 + embedding[:, :1, None, None].square())  # as parents have it

    monkeypatch.setattr(hvae, "_pixels", pixels)
    x = torch.full((5, 1, 16, 16), extreme)
    u = abduct(hvae, x, parents)
    assert (hvae.predict(u, parents | {"a": parents["a"] + 2}) - x).abs().max() < 1e-6
    assert u.pixels.abs().max() < 1e-6


def test_images_in_other_bounds_come_back_in_them():
    graph = ci.Graph.of(x=ci.Image(shape=(1, 16, 16), bounds=(-1000, 400)))
    hvae = ci.HVAE(**SMALL).bind(graph, "x")
    x = -1000 + 1400 * torch.rand(3, 1, 16, 16)
    assert (hvae.predict(explain(hvae, x, {}).u, {}) - x).abs().max() < 1e-5 * 1400
    drawn = hvae.predict(hvae.noise(3), {})
    assert -1000 <= drawn.min() <= drawn.max() <= 400


def test_the_prior_is_exogenous_and_parents_reach_the_image():
    hvae, x, parents = bound_hvae()
    for p in hvae.parameters():
        torch.nn.init.normal_(p, std=0.1)
    other = parents | {"a": parents["a"] + 1}
    u = explain(hvae, x, parents).u
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
    found = explain(model.mechanisms["x"], x, {"a": a}).nll.mean() / 16
    truth = gaussian(x, a[:, None, None, None].expand_as(x), torch.full_like(x, 0.05)).mean() / 16
    assert truth - 0.05 < found < truth + 0.15


def test_the_latents_of_one_image_run_once_however_many_questions_it_is_asked():
    hvae, x, parents = bound_hvae()
    u = abduct(hvae, x[:1], {name: value[:1] for name, value in parents.items()})
    rows = []
    hvae.latent.stages["0"].register_forward_hook(lambda stage, given, features: rows.append(len(features)))
    once = hvae.predict(u, parents)
    copied = hvae.predict(map_tensors(lambda part: part.repeat(5, 1, 1, 1), u), parents)
    assert rows == [1, 5]
    assert (once - copied).abs().max() < 1e-5


def test_abduction_for_an_answer_computes_no_likelihood(monkeypatch):
    hvae, x, parents = bound_hvae()

    def refuse(*_):
        raise AssertionError("a likelihood was computed")

    monkeypatch.setitem(LIKELIHOODS, "gaussian", refuse)
    monkeypatch.setattr(Inference, "divergence", refuse)
    hvae.predict(abduct(hvae, x, parents), parents)
    with pytest.raises(AssertionError, match="a likelihood was computed"):
        explain(hvae, x, parents)


def test_a_posterior_is_no_wider_than_its_prior_whatever_was_learnt():
    hvae, x, parents = bound_hvae()
    for p in hvae.latent.parameters():
        torch.nn.init.normal_(p, std=1.0)
    for posterior in hvae.latent.infer(hvae.encoder(x, hvae.embed(parents, 5)), hvae.latent.draw(5)).posteriors:
        assert (posterior.scale <= 1).all()
        assert (posterior.scale < 0.9).any()


def test_where_two_pixels_or_fewer_are_left_kernels_are_one_pixel_wide():
    assert kernels_of((64, 64), 5) == [3, 3, 3, 3, 1]
    assert kernels_of((8, 24), 3) == [3, 3, 3]


def test_fine_tuning_trains_all_of_it():
    hvae, _, _ = bound_hvae()
    assert hvae.prepare_finetuning(["a"]) is hvae
