"""The published way: the hierarchical VAE and the loops that ours is measured against, written from the papers.

*High Fidelity Image Counterfactuals with Probabilistic Causal Models* (De Sousa Ribeiro et al., 2023, arXiv:2306.15764),
*Segmentor-guided Counterfactual Fine-Tuning* (Xia et al., 2025, arXiv:2509.24913). What makes it the published way: bottleneck
blocks from full resolution down to one pixel, several decoder blocks at each resolution and latents in each of them; parents as
maps as large as the image, cut to each resolution and concatenated; a counterfactual decodes the factual image again for noise
that was at hand; fine-tuning encodes and decodes it for a counterfactual beside another pass for the likelihood, and trains all
weights.

Likelihood and its floor are those of `ci.HVAE`, so that negative ELBOs can be compared.
"""

from collections.abc import Callable, Iterable
from typing import ClassVar, NamedTuple, cast

import torch
from torch import Generator, Tensor, nn
from torch.distributions import Normal, kl_divergence
from torch.nn import functional as F

import causalimg as ci
from causalimg.mechanisms.context import Context
from causalimg.mechanisms.mechanism import Abduction, ImageNoise, Noise, Values, rows
from causalimg.mechanisms.pixels import LIKELIHOODS


class Bottleneck(nn.Module):
    """1x1, 3x3, 3x3, 1x1 with GELU before each, narrower inside; `residual` with a projection where the width changes."""

    def __init__(self, before: int, inner: int, after: int, kernel: int = 3, residual: bool = True) -> None:
        super().__init__()
        same = kernel // 2
        self.layers = nn.Sequential(
            *(nn.GELU(), nn.Conv2d(before, inner, 1)),
            *(nn.GELU(), nn.Conv2d(inner, inner, kernel, padding=same)),
            *(nn.GELU(), nn.Conv2d(inner, inner, kernel, padding=same)),
            *(nn.GELU(), nn.Conv2d(inner, after, 1)),
        )
        self.skip = None if not residual else nn.Identity() if before == after else nn.Conv2d(before, after, 1)

    def scale_last(self, factor: float) -> None:
        """Multiply the first weights of the last convolution."""
        cast(nn.Conv2d, self.layers[-1]).weight.data *= factor

    def forward(self, features: Tensor) -> Tensor:
        out: Tensor = self.layers(features)
        return out if self.skip is None else out + self.skip(features)


class Level(nn.Module):
    """One block of the decoder: prior p(z | z above), posterior q(z | h, x, pa), what z and pa add to h; `more` follow it."""

    def __init__(
        self, width: int, after: int, latents: int, parents: int, bottleneck: int, side: int, more: bool
    ) -> None:
        super().__init__()
        self.side, self.latents, inner, kernel = side, latents, max(1, width // bottleneck), 3 if side > 2 else 1
        self.prior = Bottleneck(width, inner, 2 * latents + width, kernel, residual=False)
        self.posterior = Bottleneck(2 * width + parents, inner, 2 * latents, kernel, residual=False)
        self.enter = nn.Conv2d(latents + parents, width, 1)
        self.exogenous = nn.Conv2d(latents + width, after, 1) if more else None
        self.block = Bottleneck(width, inner, after, kernel)
        self.prior.scale_last(0.0)


class Decoded(NamedTuple):
    """Location and scale of every pixel in [0, 1], latents by block, and KL(q || p) in nats, (batch,)."""

    loc: Tensor
    scale: Tensor
    z: tuple[Tensor, ...]
    kl: Tensor


Choice = Callable[[int, Level, Tensor, Tensor, Normal], tuple[Tensor, Tensor | float]]
"""(number, block, h, parents' maps, prior) -> latents, and what they cost."""


class PublishedHVAE(ci.MaximumLikelihood):
    """The published mechanism. `widths` are the channels per resolution, fine (the image's own) to coarse (one pixel)."""

    handles = (ci.Image,)
    recipe: ClassVar[ci.Recipe] = ci.Recipe(steps=3000, batch=32, lr=1e-3, warmup=100)

    widths: tuple[int, ...] = (16, 32, 64, 128, 256)
    latents: int = 16
    blocks: int = 4
    bottleneck: int = 4
    scale_floor: float = 0.02

    def build(self) -> None:
        channels, height, _ = cast(ci.Image, self.variable).shape
        self.context = Context(self.parents)
        self.sides = [height // 2**i for i in range(len(self.widths) - 1)] + [1]
        self.stem = nn.Conv2d(channels, self.widths[0], 7, padding=3)
        wider = [*self.widths[1:], self.widths[-1]]
        self.stages = nn.ModuleList(
            nn.Sequential(*(self._bottleneck(width, width) for _ in range(max(1, self.blocks - 1))))
            for width in self.widths
        )
        self.down = nn.ModuleList(self._bottleneck(*pair) for pair in zip(self.widths[:-1], wider[:-1], strict=True))
        order = [(self.sides[i], self.widths[i]) for i in reversed(range(len(self.widths))) for _ in range(self.blocks)]
        after = [width for _, width in order[1:]] + [order[-1][1]]
        self.levels = nn.ModuleList(
            Level(width, out, self.latents, self.context.width, self.bottleneck, side, more=i + 1 < len(order))
            for i, ((side, width), out) in enumerate(zip(order, after, strict=True))
        )
        self._calm()
        self.bias = nn.ParameterList(
            torch.zeros(1, width, side, side) for side, width in zip(self.sides, self.widths, strict=True)
        )
        self.to_loc, self.to_scale = (nn.Conv2d(self.widths[0], channels, 1) for _ in range(2))

    def _calm(self) -> None:
        """Scale what each block adds by one over the root of their number, so that deep stacks begin calmly."""
        encoding = [block for block in [*self.stages.modules(), *self.down] if isinstance(block, Bottleneck)]
        for block in encoding:
            block.scale_last(len(encoding) ** -0.5)
        for level in cast(Iterable[Level], self.levels):
            level.block.scale_last(len(self.levels) ** -0.5)
            level.enter.weight.data *= len(self.levels) ** -0.5

    def _bottleneck(self, before: int, after: int) -> Bottleneck:
        return Bottleneck(before, max(1, before // self.bottleneck), after)

    def encode(self, unit: Tensor) -> dict[int, Tensor]:
        """Features by side."""
        features, found = self.stem(2 * unit - 1), {}
        for i, (side, stage) in enumerate(zip(self.sides, self.stages, strict=True)):
            if i:
                features = F.adaptive_avg_pool2d(self.down[i - 1](features), side)
            found[side] = features = stage(features)
        return found

    def decode(self, parents: Values, n: int, choose: Choice) -> Decoded:
        """Latents as `choose` has them, from coarse to fine, and the image that they make with `parents`."""
        size = self.sides[0]
        maps = self.context(parents, n)[:, :, None, None].expand(-1, -1, size, size).contiguous()
        biases = dict(zip(self.sides, self.bias, strict=True))
        h = above = biases[1].expand(n, -1, -1, -1)
        z: list[Tensor] = []
        kl: Tensor = h.new_zeros(n)
        for i, level in enumerate(self.levels):
            level, side = cast(Level, level), cast(Level, level).side
            if h.shape[-1] < side:
                h, above = (biases[side] + F.interpolate(stream, size=side) for stream in (h, above))
            here = maps[:, :, :side, :side]
            shift, log_scale, features = level.prior(above).split([level.latents, level.latents, h.shape[1]], 1)
            drawn, cost = choose(i, level, h, here, Normal(shift, log_scale.exp(), validate_args=False))
            z.append(drawn)
            kl = kl + cost
            h = level.block(h + features + level.enter(torch.cat([drawn, here], 1)))
            above = above if level.exogenous is None else level.exogenous(torch.cat([drawn, features], 1))
        return Decoded(0.5 + 0.5 * self.to_loc(h), self.scale_floor + F.softplus(self.to_scale(h) - 2), tuple(z), kl)

    def infer(self, unit: Tensor, parents: Values) -> Decoded:
        """An encoder pass and a decoder pass, with latents from the posterior."""
        encoded = self.encode(unit)

        def choose(i: int, level: Level, h: Tensor, maps: Tensor, prior: Normal) -> tuple[Tensor, Tensor | float]:
            shift, log_scale = level.posterior(torch.cat([h, maps, encoded[level.side]], 1)).chunk(2, 1)
            posterior = Normal(shift, log_scale.exp(), validate_args=False)
            return posterior.rsample(), kl_divergence(posterior, prior).flatten(1).sum(1)

        return self.decode(parents, len(unit), choose)

    def again(self, z: tuple[Tensor, ...], parents: Values) -> Decoded:
        """A decoder pass with given latents; those of one image serve every row of `parents`."""
        n = rows(z, parents)
        wide = [latents.expand(n, -1, -1, -1) for latents in z]
        return self.decode(parents, n, lambda i, level, h, maps, prior: (wide[i], 0.0))

    def noise(self, n: int, generator: Generator | None = None) -> Noise:
        device = self.to_loc.weight.device
        parents = {name: torch.zeros(n, device=device) for name in self.parents}
        z = self.decode(parents, n, lambda i, level, h, maps, prior: (prior.sample(), 0.0)).z
        return ImageNoise(z, torch.randn(n, *self.variable.value_shape, device=device))

    def predict(self, u: Noise, parents: Values) -> Tensor:
        latents, pixels = cast(ImageNoise, u)
        made = self.again(latents, parents)
        return (made.loc + made.scale * pixels).clamp(0, 1)

    def loss(self, value: Tensor, parents: Values) -> Tensor:
        return self.explain(value, parents, ()).nll

    def explain(self, value: Tensor, parents: Values, prior: Noise) -> Abduction:
        """As published: it draws from its posterior itself, whatever the `prior`."""
        made = self.infer(value, parents)
        nll = LIKELIHOODS["gaussian"](value, made.loc, made.scale) + made.kl
        return Abduction(ImageNoise(made.z, (value - made.loc) / made.scale), nll)


def counterfactual(mechanism: PublishedHVAE, image: Tensor, parents: Values, changed: Values) -> Tensor:
    """As the published code answers: encode and decode for the latents, decode for the pixels' noise, decode for the answer."""
    z = mechanism.infer(image, parents).z
    factual = mechanism.again(z, parents)
    noise = (image - factual.loc) / factual.scale
    answer = mechanism.again(z, changed)
    return (answer.loc + answer.scale * noise).clamp(0, 1)


def finetuning_loss(
    mechanism: PublishedHVAE, image: Tensor, parents: Values, changed: Values, miss: Callable[[Tensor], Tensor]
) -> Tensor:
    """As the published code fine-tunes: the likelihood by passes of its own, then a counterfactual, whose loss is `miss`."""
    likelihood = mechanism.loss(image, parents).mean() / image[0].numel()
    return miss(counterfactual(mechanism, image, parents, changed)) + likelihood
