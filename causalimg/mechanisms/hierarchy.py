"""The parts of a hierarchical VAE: embedding of the parents, encoder, stream of latents, decoder.

Resolutions are counted from fine (0) to coarse.
Images enter as patches of 2x2 and leave the same way, so that no wide convolution runs at full resolution. Where two by two
pixels or fewer are left, convolutions are 1x1 (`kernels`, one per resolution): a wider one would mostly hold weights for padding.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple, cast

import torch
from einops.layers.torch import Rearrange
from torch import Generator, Tensor, nn
from torch.distributions import Normal

from causalimg.graph import Image, Variable
from causalimg.mechanisms.blocks import Stage, double, perceptron
from causalimg.mechanisms.context import Context
from causalimg.mechanisms.mechanism import standard_normal
from causalimg.values import widen

Latents = tuple[Tensor, ...]
"""The noise of z per resolution that has latents, coarse to fine: each (batch, latents, height, width)."""


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
        self, channels: int, widths: Sequence[int], kernels: Sequence[int], embedding: int, blocks: int, patch: int = 2
    ) -> None:
        super().__init__()
        sides = [patch] + [2] * (len(widths) - 1)
        merged = zip(pairwise([channels, *widths]), sides, strict=True)
        self.down = nn.ModuleList(_merge_patches(before, after, side) for (before, after), side in merged)
        self.stages = nn.ModuleList(
            Stage(width, embedding, blocks, kernel) for width, kernel in zip(widths, kernels, strict=True)
        )

    def forward(self, image: Tensor, embedding: Tensor | None) -> list[Tensor]:
        features, found = image, []
        for down, stage in zip(self.down, self.stages, strict=True):
            features = stage(down(features), embedding)
            found.append(features)
        return found


def _merge_patches(before: int, after: int, side: int) -> nn.Module:
    patches = Rearrange("n c (h a) (w b) -> n (c a b) h w", a=side, b=side)
    return nn.Sequential(patches, nn.Conv2d(side**2 * before, after, 1))


class Inference(NamedTuple):
    """The latents' noise, the features they make per resolution (None where finer than all latents), and its posteriors."""

    noise: Latents
    features: list[Tensor | None]
    posteriors: list[Normal]

    def divergence(self) -> Tensor:
        """KL(q || p) in nats, (batch,)."""
        against_standard = [0.5 * (q.loc.square() + q.variance - 1) - q.scale.log() for q in self.posteriors]
        return torch.stack(torch.broadcast_tensors(*(nats.flatten(1).sum(1) for nats in against_standard))).sum(0)


class LatentStream(nn.Module):
    """p(z) and q(z | x, pa), from coarse to fine: z_l = loc + scale u_l, where the prior's loc and scale follow from z_<l.

    u_l ~ N(0, 1) a priori; the posterior is one of u, so that KL depends on shift and scale alone, however narrow the prior of z
    has become. With an `embedding` the prior sees the parents too: then z moves with them, and lies between them and the image.
    """

    def __init__(
        self,
        widths: Sequence[int],
        kernels: Sequence[int],
        latents: Sequence[int],
        size: tuple[int, int],
        embedding: int = 0,
    ) -> None:
        super().__init__()
        self.latents = list(latents)
        self.finest = min(i for i, count in enumerate(latents) if count)
        self.levels = list(range(len(widths) - 1, self.finest - 1, -1))
        self.with_z = [i for i in self.levels if latents[i]]
        own = [max(8, width // 2) for width in widths]
        self.start = nn.Parameter(torch.zeros(1, own[-1], *size))
        self.lead = nn.Linear(embedding, self.start.numel()) if embedding else None
        self.up = _by_level(self.levels[1:], lambda i: nn.Conv2d(own[i + 1], own[i], 1))
        self.stages = _by_level(self.levels, lambda i: Stage(own[i], embedding, 1, kernels[i]))
        self.prior = _by_level(self.with_z, lambda i: _near_zero(nn.Conv2d(own[i], 2 * latents[i], 1)))
        self.posterior = _by_level(
            self.with_z,
            lambda i: _near_zero(nn.Conv2d(own[i] + widths[i], 2 * latents[i], kernels[i], padding=kernels[i] // 2)),
        )
        self.enter = _by_level(self.with_z, lambda i: nn.Conv2d(latents[i], own[i], 1))
        self.widths = own

    def infer(self, encoded: Sequence[Tensor], prior: Latents, embedding: Tensor | None = None) -> Inference:
        """What draws of the prior become in the posterior, given the encoder's features, and the parents' embedding where the
        prior sees it. Features of one image serve every draw."""
        posteriors: list[Normal] = []
        drawn = dict(zip(self.with_z, prior, strict=True))

        def from_posterior(level: int, features: Tensor) -> Tensor:
            seen = torch.cat([features, widen(encoded[level], len(features))], 1)
            shift, log_scale = self.posterior[str(level)](seen).chunk(2, 1)
            posteriors.append(Normal(shift, _at_most_one(log_scale), validate_args=False))
            noise: Tensor = shift + posteriors[-1].scale * drawn[level]
            return noise

        noise, features = self._run(len(encoded[0]), embedding, from_posterior)
        return Inference(noise, features, posteriors)

    def draw(self, n: int, generator: Generator | None = None) -> Latents:
        """The noise of `n` draws of z from the prior."""
        sides = {
            level: tuple(side * 2 ** (self.levels[0] - level) for side in self.start.shape[2:]) for level in self.with_z
        }
        shapes = [(n, self.latents[i], *sides[i]) for i in self.with_z]
        return tuple(standard_normal(shape, self.start.device, generator) for shape in shapes)

    def features(self, noise: Latents, embedding: Tensor | None = None) -> list[Tensor | None]:
        """The features that latents of this noise make, fine to coarse."""
        by_level = dict(zip(self.with_z, noise, strict=True))
        return self._run(
            len(noise[0] if embedding is None else embedding), embedding, lambda level, features: by_level[level]
        )[1]

    def _run(
        self, n: int, embedding: Tensor | None, choose: Callable[[int, Tensor], Tensor]
    ) -> tuple[Latents, list[Tensor | None]]:
        noise: list[Tensor] = []
        found: list[Tensor | None] = [None] * len(self.latents)
        features = self.start.expand(n, -1, -1, -1)
        if self.lead is not None:
            features = features + self.lead(embedding).view(-1, *self.start.shape[1:])
        for level in self.levels:
            key = str(level)
            if key in self.up:
                features = double(features, self.up[key])
            if key in self.prior:
                noise.append(choose(level, features))
                features = features + self.enter[key](self._z(key, features, noise[-1]))
            features = self.stages[key](features, embedding)
            found[level] = features
        return tuple(noise), found

    def _z(self, key: str, features: Tensor, noise: Tensor) -> Tensor:
        loc, log_scale = self.prior[key](features).chunk(2, 1)
        return torch.addcmul(loc, (1.5 * torch.tanh(log_scale)).exp(), noise)


def _by_level(levels: Iterable[int], make: Callable[[int], nn.Module]) -> nn.ModuleDict:
    return nn.ModuleDict({str(level): make(level) for level in levels})


def _near_zero(layer: nn.Conv2d) -> nn.Conv2d:
    """Near zero at the start: prior and posterior begin as standard normals."""
    nn.init.normal_(layer.weight, std=1e-3)
    nn.init.zeros_(layer.bias)  # type: ignore[arg-type]
    return layer


def _at_most_one(log_scale: Tensor) -> Tensor:
    """A scale between e^-5 and about 1: a posterior that is wider than its prior adds noise and no information."""
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

    def forward(self, latent: Sequence[Tensor | None], embedding: Tensor | None) -> tuple[Tensor, Tensor]:
        """Location and raw scale. Latents of one image serve every row of `embedding`."""
        coarsest = len(self.stages) - 1
        features = self.stages[coarsest](self.enter[str(coarsest)](latent[coarsest]), embedding)
        for level in reversed(range(coarsest)):
            features = double(features, self.up[level])
            if latent[level] is not None:
                features = features + self.enter[str(level)](latent[level])
            features = self.stages[level](features, embedding)
        loc, raw_scale = self.to_pixels(features).chunk(2, 1)
        return loc, raw_scale


def kernels_of(size: tuple[int, int], levels: int, patch: int = 2) -> list[int]:
    """The side of the convolutions' kernels per resolution, fine to coarse, for images of `size` in patches of `patch`."""
    return [3 if max(size) // (patch * 2**level) > 2 else 1 for level in range(levels)]


def bounds_of(what: str, image: Image) -> tuple[float, float]:
    """Black and white of `image`. Raises ValueError where it has no bounds on both sides."""
    if None in image.bounds:
        raise ValueError(f"{what}: an image needs bounds on both sides, such as (0, 1)")
    return cast(tuple[float, float], image.bounds)


def check_divisible(what: str, image: Image, levels: int, patch: int = 2) -> None:
    """Raise ValueError, with the nearest size that works, for an image whose patches can't be halved for so many levels."""
    factor = patch * 2 ** (levels - 1)
    height, width = image.shape[1:]
    nearest = tuple(max(factor, round(side / factor) * factor) for side in (height, width))
    if (height, width) != nearest:
        raise ValueError(
            f"{what}: {height}x{width} is not divisible by {factor} ({levels} widths, patches of {patch}x{patch}); "
            f"the nearest size that works is {nearest[0]}x{nearest[1]}"
        )
