"""Convolutional blocks whose features the parents modulate.

Parents enter as one embedding per sample, and each block turns it into a scale and a shift per channel, broadcast over the
image (*FiLM*, Perez et al., 2018, arXiv:1709.07871): what a concatenated full-resolution map would add through the
convolution, for a fraction of its time and memory, and a gain besides.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F


def perceptron(features: int, width: int) -> nn.Sequential:
    """Parents' features (batch, features) -> their embedding (batch, width)."""
    return nn.Sequential(nn.Linear(features, width), nn.SiLU(), nn.Linear(width, width), nn.SiLU())


class Modulated(nn.Module):
    """Residual block (batch, width, h, w) -> the same, modulated by an embedding (batch, embedding); 0 for a block without."""

    def __init__(self, width: int, embedding: int, kernel: int = 3) -> None:
        super().__init__()
        self.first, self.second = (nn.Conv2d(width, width, kernel, padding=kernel // 2) for _ in range(2))
        self.film = nn.Linear(embedding, 2 * width) if embedding else None
        nn.init.zeros_(self.second.weight)  # starts as the identity: deep stacks train without normalisation
        nn.init.zeros_(self.second.bias)  # type: ignore[arg-type]

    def forward(self, features: Tensor, embedding: Tensor | None) -> Tensor:
        hidden: Tensor = self.first(F.silu(features))
        if self.film is not None:
            gain, offset = self.film(embedding)[:, :, None, None].chunk(2, dim=1)
            hidden = torch.addcmul(hidden + offset, hidden, gain)
        out: Tensor = features + self.second(F.silu(hidden))
        return out


class Stage(nn.Module):
    """`blocks` modulated blocks at one resolution, then `pixel_norm`."""

    def __init__(self, width: int, embedding: int, blocks: int, kernel: int) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(Modulated(width, embedding, kernel) for _ in range(blocks))

    def forward(self, features: Tensor, embedding: Tensor | None) -> Tensor:
        for block in self.blocks:
            features = block(features, embedding)
        return pixel_norm(features)


def pixel_norm(features: Tensor) -> Tensor:
    """Every pixel's features scaled to a mean square of 1, so that deep stacks stay bounded.

    Statistics over the image, as in group normalisation, would let a local change move everything else.
    """
    return features * (features.square().mean(1, keepdim=True) + 1e-6).rsqrt()


def double(features: Tensor, project: nn.Module) -> Tensor:
    """Twice the resolution: project to the new width first, where pixels are few."""
    return F.interpolate(project(features), scale_factor=2.0, mode="nearest")
