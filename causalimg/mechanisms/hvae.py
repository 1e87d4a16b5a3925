"""A hierarchical VAE as an image mechanism, with an exogenous prior, or one that sees the parents.

*High Fidelity Image Counterfactuals with Probabilistic Causal Models* (De Sousa Ribeiro et al., ICML 2023, arXiv:2306.15764).
Latents are z = (z_1, ..., z_L), coarse to fine. Their noise u_l and that of the pixels, ε, are the exogenous noise of the image x
with parents pa::

    z_l = loc_l(z_<l) + scale_l(z_<l) u_l    u_l ~ N(0, 1): the prior, in which parents have no part, so z is exogenous
    u_l ~ q(u_l | z_<l, x, pa)               posterior: from an encoder that sees the image and its parents
    x   = μ(z, pa) + σ(z, pa) ε              so ε = (x - μ) / σ, and predict(abduct(x, pa), pa) = x exactly; μ within the bounds:
                                             of a black pixel a discretised likelihood leaves μ anywhere below black
                                             (so samples of one have grain in the black, which abducted noise has not)

    nll = -log p(x | z, pa) + Σ_l KL(q_l || p_l)       the negative ELBO, a bound, with one sample of z, for x scaled to [0, 1]

A draw of the prior's noise makes one of the posterior's, by its location and scale.

With `mediator=True` loc_l and scale_l see the parents as well: z moves with them, and an effect takes two ways, by z and past it
(see `Mediated`).

Two streams run from coarse to fine. The one of z carries the prior. The other is modulated by the parents (see `blocks`) and
makes the image. A counterfactual costs one encoder pass and, per question, one decoder pass.
"""

from typing import Annotated, ClassVar, Literal, cast

from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt
from torch import Generator, Tensor
from torch.nn import functional as F

from causalimg.graph import Image
from causalimg.mechanisms.hierarchy import (
    Decoder,
    Embedding,
    Encoder,
    Inference,
    LatentStream,
    bounds_of,
    check_divisible,
    kernels_of,
)
from causalimg.mechanisms.mechanism import (
    Abduction,
    ImageNoise,
    MaximumLikelihood,
    Mediated,
    Noise,
    Options,
    Seen,
    Values,
    laid_into,
    rows,
    standard_normal,
)
from causalimg.mechanisms.pixels import LIKELIHOODS
from causalimg.training.recipe import Recipe


class HVAE(MaximumLikelihood, Mediated):
    """Hierarchical VAE for `Image` variables of 1 or 3 channels, and any size divisible by its down-sampling.

    `widths` are the channels per resolution, fine to coarse: the finest is half the image's, each further one half again.
    `latents` are the channels of z at each (0: none there). `scale_floor` bounds σ from below, as a fraction of the image's
    range: without it, flat regions have an unbounded likelihood. Fine-tuning trains all of it, as published; wrapped in
    `Edited`, it trains the edit alone. `mediator`: the prior sees the parents, so that latents move with them.
    """

    handles = (Image,)
    recipe: ClassVar[Recipe] = Recipe(steps=2000, batch=32, lr=2e-3, warmup=100)

    widths: Annotated[tuple[PositiveInt, ...], Field(min_length=1)] = (24, 48, 96, 128)
    latents: tuple[NonNegativeInt, ...] = (0, 4, 8, 16)
    blocks: PositiveInt = 1
    embedding: PositiveInt = 64
    likelihood: Literal["gaussian", "discretised"] = "gaussian"
    scale_floor: PositiveFloat = 0.02
    mediator: bool = False

    def build(self) -> None:
        image = cast(Image, self.variable)
        channels, height, width = image.shape
        self._check(image)
        self.low, self.high = bounds_of("HVAE", image)
        factor = 2 ** len(self.widths)
        self.embed = Embedding(self.parents, self.embedding) if self.parents else None
        embedding = self.embedding if self.parents else 0
        kernels = kernels_of((height, width), len(self.widths))
        self.encoder = Encoder(channels, self.widths, kernels, embedding, self.blocks)
        coarsest, seen = (height // factor, width // factor), embedding if self.mediator else 0
        self.latent = LatentStream(self.widths, kernels, self.latents, coarsest, seen)
        self.decoder = Decoder(channels, self.widths, kernels, self.latent, embedding, self.blocks)

    def noise(self, n: int, generator: Generator | None = None) -> ImageNoise:
        latents = self.latent.draw(n, generator)
        return ImageNoise(latents, standard_normal((n, *self.variable.value_shape), latents[0].device, generator))

    def predict(self, u: Noise, parents: Values) -> Tensor:
        return self._made(u, parents, parents)

    def counterfactual(self, u: Noise, parents: Values, seen: Seen, options: Options = Options()) -> Tensor:
        made = self.predict(u, parents) if options.through is None else self._made(u, parents, options.through)
        return laid_into(options.region, made, seen.value)

    def abduct(self, value: Tensor, parents: Values, prior: Noise) -> ImageNoise:
        unit, inferred, loc, scale = self._infer(value, parents, prior)
        return ImageNoise(inferred.noise, _residual(unit, loc, scale))

    def explain(self, value: Tensor, parents: Values, prior: Noise) -> Abduction:
        unit, inferred, loc, scale = self._infer(value, parents, prior)
        nll = LIKELIHOODS[self.likelihood](unit, loc, scale) + inferred.divergence()
        return Abduction(ImageNoise(inferred.noise, _residual(unit, loc, scale)), nll)

    def _made(self, u: Noise, parents: Values, through: Values) -> Tensor:
        """The image, whose latents follow `through`, and whose pixels follow `parents`."""
        latents, pixels = cast(ImageNoise, u)
        n = rows(u, parents)
        features = self.latent.features(latents, self._embed(through, n) if self.mediator else None)
        loc, scale = self._pixels(features, self._embed(parents, n))
        return self.low + (self.high - self.low) * (loc.clamp(0, 1) + scale * pixels).clamp(0, 1)

    def _infer(self, value: Tensor, parents: Values, prior: Noise) -> tuple[Tensor, Inference, Tensor, Tensor]:
        """The image scaled to [0, 1], its latents, and location and scale of its pixels."""
        unit, embedding = (value - self.low) / (self.high - self.low), self._embed(parents, len(value))
        encoded, drawn = self.encoder(2 * unit - 1, embedding), cast(ImageNoise, prior).latents
        inferred = self.latent.infer(encoded, drawn, embedding if self.mediator else None)
        return unit, inferred, *self._pixels(inferred.features, embedding)

    def _embed(self, parents: Values, n: int) -> Tensor | None:
        return None if self.embed is None else self.embed(parents, n)

    def _pixels(self, features: list[Tensor | None], embedding: Tensor | None) -> tuple[Tensor, Tensor]:
        loc, raw_scale = self.decoder(features, embedding)
        return 0.5 + 0.5 * loc.float(), self.scale_floor + F.softplus(raw_scale.float() - 2.0)

    def _check(self, image: Image) -> None:
        channels = image.shape[0]
        if len(self.latents) != len(self.widths):
            raise ValueError(f"HVAE: {len(self.widths)} widths need as many latents, got {len(self.latents)}")
        if not any(self.latents):
            raise ValueError("HVAE: no latents at any resolution; give at least one more than 0")
        if channels not in (1, 3):
            raise ValueError(f"HVAE: an image has 1 or 3 channels, not {channels}")
        check_divisible("HVAE", image, len(self.widths))


def _residual(unit: Tensor, loc: Tensor, scale: Tensor) -> Tensor:
    """The noise of pixels: what an image is beside its location, in scales."""
    return (unit - loc.clamp(0, 1)) / scale
