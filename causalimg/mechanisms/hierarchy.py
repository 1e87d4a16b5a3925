"""The parts of a hierarchical VAE: embedding of the parents, encoder, stream of latents, decoder.

Resolutions are counted from fine (0) to coarse.
Images enter as patches of 2x2 and leave the same way, so that no wide convolution runs at full resolution. Where two by two
pixels or fewer are left, convolutions are 1x1 (`kernels`, one per resolution): a wider one would mostly hold weights for padding.
"""

from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple

import torch
from einops.layers.torch import Rearrange
from torch import Tensor, nn
from torch.distributions import Normal, kl_divergence

from causalimg.graph import Variable
from causalimg.mechanisms.blocks import Stage, double, perceptron
from causalimg.mechanisms.context import Context

Latents = dict[str, Tensor]
"""z by resolution, ``"z0"`` the finest: each (batch, latents, height, width)."""


class Embedding(nn.Module):
    """Parents by name -> one embedding per sample, (batch, width)."""

    def __init__(self, parents: Mapping[str, Variable], width: int) -> None:
        super().__init__()
        self.context = Context(parents)
        self.layers = perceptron(self.context.width, width)

    def forward(self, parents: Mapping[str, Tensor], n: int) -> Tensor:
        embedded: Tensor = self.layers(self.context(parents, n))
        return embedded


class Encoder(nn.Module):
    """Image (batch, channels, h, w), modulated by the parents' embedding -> features per resolution, fine to coarse."""

    def __init__(
        self, channels: int, widths: Sequence[int], kernels: Sequence[int], embedding: int, blocks: int
    ) -> None:
        super().__init__()
        self.down = nn.ModuleList(_merge_patches(before, after) for before, after in pairwise([channels, *widths]))
        self.stages = nn.ModuleList(
            Stage(width, embedding, blocks, kernel) for width, kernel in zip(widths, kernels, strict=True)
        )

    def forward(self, image: Tensor, embedding: Tensor | None) -> list[Tensor]:
        features, found = image, []
        for down, stage in zip(self.down, self.stages, strict=True):
            features = stage(down(features), embedding)
            found.append(features)
        return found


def _merge_patches(before: int, after: int) -> nn.Module:
    patches = Rearrange("n c (h a) (w b) -> n (c a b) h w", a=2, b=2)
    return nn.Sequential(patches, nn.Conv2d(4 * before, after, 1))


class Inference(NamedTuple):
    """Latents, the features they make per resolution (None where finer than all latents), and KL(q || p) in nats, (batch,)."""

    z: Latents
    features: list[Tensor | None]
    kl: Tensor


class LatentStream(nn.Module):
    """p(z) and q(z | x, pa): runs from coarse to fine over z alone, so that the prior is exogenous."""

    def __init__(
        self, widths: Sequence[int], kernels: Sequence[int], latents: Sequence[int], size: tuple[int, int]
    ) -> None:
        super().__init__()
        self.latents = list(latents)
        self.finest = min(i for i, count in enumerate(latents) if count)
        self.levels = list(range(len(widths) - 1, self.finest - 1, -1))
        own = [max(8, width // 2) for width in widths]
        self.start = nn.Parameter(torch.zeros(1, own[-1], *size))
        self.up = nn.ModuleDict({str(i): nn.Conv2d(own[i + 1], own[i], 1) for i in self.levels[1:]})
        self.stages = nn.ModuleDict({str(i): Stage(own[i], 0, 1, kernels[i]) for i in self.levels})
        with_z = [i for i in self.levels if latents[i]]
        self.prior = nn.ModuleDict({str(i): _quiet(nn.Conv2d(own[i], 2 * latents[i], 1)) for i in with_z})
        self.posterior = nn.ModuleDict(
            {
                str(i): _quiet(nn.Conv2d(own[i] + widths[i], 2 * latents[i], kernels[i], padding=kernels[i] // 2))
                for i in with_z
            }
        )
        self.enter = nn.ModuleDict({str(i): nn.Conv2d(latents[i], own[i], 1) for i in with_z})
        self.widths = own

    def infer(self, encoded: Sequence[Tensor]) -> Inference:
        """A draw of z from the posterior, given the encoder's features."""
        divergence = encoded[0].new_zeros(len(encoded[0]))

        def from_posterior(level: int, features: Tensor, prior: Normal) -> Tensor:
            nonlocal divergence
            shift, log_scale = self.posterior[str(level)](torch.cat([features, encoded[level]], 1)).chunk(2, 1)
            # in units of the prior, so that KL depends on shift and log_scale alone, however narrow the prior has become
            loc, scale = prior.loc + prior.scale * shift, prior.scale * _below_one(log_scale)
            posterior = Normal(loc, scale, validate_args=False)
            divergence = divergence + kl_divergence(posterior, prior).flatten(1).sum(1)
            return posterior.rsample()

        z, features = self._run(len(encoded[0]), from_posterior)
        return Inference(z, features, divergence)

    def draw(self, n: int) -> Latents:
        """`n` draws of z from the prior."""
        return self._run(n, lambda level, features, prior: prior.sample())[0]

    def features(self, z: Latents) -> list[Tensor | None]:
        """The features that given latents make, fine to coarse."""
        n = len(next(iter(z.values())))
        return self._run(n, lambda level, features, prior: z[f"z{level}"])[1]

    def _run(self, n: int, choose: Callable[[int, Tensor, Normal], Tensor]) -> tuple[Latents, list[Tensor | None]]:
        z: Latents = {}
        found: list[Tensor | None] = [None] * len(self.latents)
        features = self.start.expand(n, -1, -1, -1)
        for level in self.levels:
            key = str(level)
            if key in self.up:
                features = double(features, self.up[key])
            if key in self.prior:
                loc, log_scale = self.prior[key](features).chunk(2, 1)
                z[f"z{level}"] = choose(
                    level, features, Normal(loc, (1.5 * torch.tanh(log_scale)).exp(), validate_args=False)
                )
                features = features + self.enter[key](z[f"z{level}"])
            features = self.stages[key](features, None)
            found[level] = features
        return z, found


def _quiet(layer: nn.Conv2d) -> nn.Conv2d:
    """Near zero at the start: prior and posterior begin as standard normals."""
    nn.init.normal_(layer.weight, std=1e-3)
    nn.init.zeros_(layer.bias)  # type: ignore[arg-type]
    return layer


def _below_one(log_scale: Tensor) -> Tensor:
    """A scale between e^-5 and about 1: a posterior much wider than its prior would only shout."""
    return torch.exp(-5.0 * torch.sigmoid(-log_scale - 2.0))


class Decoder(nn.Module):
    """Latent features, modulated by the parents' embedding -> location and raw scale of each pixel, (batch, channels, h, w)."""

    def __init__(
        self,
        channels: int,
        widths: Sequence[int],
        kernels: Sequence[int],
        latent: LatentStream,
        embedding: int,
        blocks: int,
    ) -> None:
        super().__init__()
        self.enter = nn.ModuleDict({str(i): nn.Conv2d(latent.widths[i], widths[i], 1) for i in latent.levels})
        self.up = nn.ModuleList(nn.Conv2d(coarse, fine, 1) for fine, coarse in pairwise(widths))
        self.stages = nn.ModuleList(
            Stage(width, embedding, blocks, kernel) for width, kernel in zip(widths, kernels, strict=True)
        )
        self.to_pixels = nn.Sequential(
            nn.SiLU(),
            nn.Conv2d(widths[0], 4 * 8, 3, padding=1),
            Rearrange("n (c a b) h w -> n c (h a) (w b)", a=2, b=2),
            nn.SiLU(),
            nn.Conv2d(8, 2 * channels, 3, padding=1),
        )

    def forward(self, latent: Sequence[Tensor | None], embedding: Tensor | None) -> tuple[Tensor, Tensor, list[Tensor]]:
        """Location, raw scale, and the features they were made of, fine to coarse."""
        coarsest = len(self.stages) - 1
        found = [self.stages[coarsest](self.enter[str(coarsest)](latent[coarsest]), embedding)]
        for level in reversed(range(coarsest)):
            features = double(found[0], self.up[level])
            if latent[level] is not None:
                features = features + self.enter[str(level)](latent[level])
            found.insert(0, self.stages[level](features, embedding))
        loc, raw_scale = self.to_pixels(found[0]).chunk(2, 1)
        return loc, raw_scale, found
