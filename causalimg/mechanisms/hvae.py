"""A hierarchical VAE as an image mechanism, with an exogenous prior.

*High Fidelity Image Counterfactuals with Probabilistic Causal Models* (De Sousa Ribeiro et al., ICML 2023, arXiv:2306.15764).
Latents z = (z_1, ..., z_L), coarse to fine, and pixel noise ε are the exogenous noise of the image x with parents pa::

    z_l ~ p(z_l | z_<l)                      prior: parents have no part in it, so z is exogenous
    z_l ~ q(z_l | z_<l, x, pa)               posterior: from an encoder that sees the image and its parents
    x   = μ(z, pa) + σ(z, pa) ε              so ε = (x - μ) / σ, and predict(abduct(x, pa).u, pa) = x exactly

    nll = -log p(x | z, pa) + Σ_l KL(q_l || p_l)       the negative ELBO, a bound, with one sample of z, for x scaled to [0, 1]
Two streams run from coarse to fine. The exogenous one sees z only and carries the prior. The other is modulated by the
parents (see `blocks`) and makes the image, which then answers to what differs from the factual parents (see `response`): that
is what fine-tuning trains. A counterfactual costs one encoder pass and, per question, one decoder pass.
"""

from collections.abc import Iterable
from typing import ClassVar, Literal, cast

import torch
from pydantic import NonNegativeInt, PositiveFloat, PositiveInt
from torch import Tensor, nn
from torch.nn import functional as F

from causalimg.graph import Image
from causalimg.mechanisms.hierarchy import Decoder, Embedding, Encoder, LatentStream
from causalimg.mechanisms.likelihood import LIKELIHOODS
from causalimg.mechanisms.mechanism import PIXEL_NOISE, Abduction, Mechanism, Noise, Values
from causalimg.mechanisms.response import Response, answer
from causalimg.training.recipe import Recipe
from causalimg.values import narrow

ORIGIN = "origin"
"""The part of the noise from which an answer is counted."""


class HVAE(Mechanism):
    """Hierarchical VAE for `Image` variables of 1 or 3 channels, and any size divisible by its down-sampling.

    `widths` are the channels per resolution, fine to coarse: the finest is half the image's, each further one half again.
    `latents` are the channels of z at each (0: none there). `response` is the width of what fine-tuning trains; 0 for none: then
    it trains all there is, as published. `scale_floor` bounds σ from below, as a fraction of the image's range: it keeps
    flat regions from buying an unbounded likelihood.
    """

    handles = (Image,)
    recipe: ClassVar[Recipe] = Recipe(steps=2000, batch=32, lr=2e-3, warmup=100)

    widths: tuple[PositiveInt, ...] = (24, 48, 96, 128)
    latents: tuple[NonNegativeInt, ...] = (0, 4, 8, 16)
    blocks: PositiveInt = 1
    embedding: PositiveInt = 64
    response: NonNegativeInt = 24
    likelihood: Literal["gaussian", "discretised"] = "gaussian"
    scale_floor: PositiveFloat = 0.02

    def build(self) -> None:
        image = cast(Image, self.variable)
        channels, height, width = image.shape
        self._check(image)
        self.low, self.high = cast(tuple[float, float], image.bounds)
        factor = 2 ** len(self.widths)
        self.embed = Embedding(self.parents, self.embedding) if self.parents else None
        embedding = self.embedding if self.parents else 0
        kernels = [3 if max(height, width) // 2 ** (level + 1) > 2 else 1 for level in range(len(self.widths))]
        self.encoder = Encoder(channels, self.widths, kernels, embedding, self.blocks)
        self.latent = LatentStream(self.widths, kernels, self.latents, (height // factor, width // factor))
        self.decoder = Decoder(channels, self.widths, kernels, self.latent, embedding, self.blocks)
        answers = self.parents and self.response
        self.answering = (
            Response(channels, self.widths, self.parents, self.embedding, self.response) if answers else None
        )
        if self.answering is not None:
            self.answering.requires_grad_(False)  # the likelihood says nothing about it: fine-tuning trains it

    def prepare_finetuning(self, parents: Iterable[str]) -> list[nn.Module]:
        if self.answering is None:
            return [self]
        self.answering.answer_to(parents)
        return [self.answering]

    def noise(self, n: int) -> Noise:
        start = self.latent.start
        u = {**self.latent.draw(n), PIXEL_NOISE: torch.randn(n, *self.variable.value_shape, device=start.device)}
        return u if self.answering is None else {**u, ORIGIN: start.new_zeros(n, self.answering.context.width)}

    def predict(self, u: Noise, parents: Values) -> Tensor:
        u = cast(dict[str, Tensor], u)
        n = len(u[PIXEL_NOISE])
        latent = self.latent.features({name: narrow(part) for name, part in u.items()})  # one image asked often: once
        loc, scale, found = self._pixels(latent, self._embed(parents, n))
        unit = loc + scale * u[PIXEL_NOISE]
        if self.answering is not None:
            unit = answer(unit, self.answering(found, self.answering.context(parents, n), u[ORIGIN]))
        return self.low + (self.high - self.low) * unit.clamp(0, 1)

    def abduct(self, value: Tensor, parents: Values) -> Abduction:
        unit = (value - self.low) / (self.high - self.low)
        embedding = self._embed(parents, len(value))
        z, features, divergence = self.latent.infer(self.encoder(2 * unit - 1, embedding))
        loc, scale, _ = self._pixels(features, embedding)
        u = {**z, PIXEL_NOISE: (unit - loc) / scale}
        if self.answering is not None:
            u[ORIGIN] = self.answering.context(parents, len(value))
        return Abduction(u, LIKELIHOODS[self.likelihood](unit, loc, scale) + divergence)

    def _embed(self, parents: Values, n: int) -> Tensor | None:
        return None if self.embed is None else self.embed(parents, n)

    def _pixels(self, features: list[Tensor | None], embedding: Tensor | None) -> tuple[Tensor, Tensor, list[Tensor]]:
        loc, raw_scale, found = self.decoder(features, embedding)
        return 0.5 + 0.5 * loc.float(), self.scale_floor + F.softplus(raw_scale.float() - 2.0), found

    def _check(self, image: Image) -> None:
        channels, height, width = image.shape
        factor = 2 ** len(self.widths)
        if len(self.latents) != len(self.widths):
            raise ValueError(f"HVAE: {len(self.widths)} widths need as many latents, got {len(self.latents)}")
        if not any(self.latents):
            raise ValueError("HVAE: no latents at any resolution; give at least one more than 0")
        if None in image.bounds:
            raise ValueError("HVAE: an image needs bounds on both sides, such as (0, 1)")
        if channels not in (1, 3):
            raise ValueError(f"HVAE: an image has 1 or 3 channels, not {channels}")
        nearest = tuple(max(factor, round(side / factor) * factor) for side in (height, width))
        if (height, width) != nearest:
            raise ValueError(
                f"HVAE: {height}x{width} is not divisible by {factor} ({len(self.widths)} widths); "
                f"the nearest size that works is {nearest[0]}x{nearest[1]}"
            )
