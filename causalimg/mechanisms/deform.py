"""An edit that deforms an image and repaints it.

A small network finds features B_k(x) of the image, one map each, and a second one says how much each of them counts for what
changed. What they add up to, by a linear layer L without bias, are two moves and a repaint for every pixel; W deforms by moves::

    c    = g(pa') - g(pa)                  (basis,)
    m, p = L(Σ_k c_k B_k(x))               moves (right, down), and paint per channel
    x'   = W_m[x] + p

With pa' = pa nothing moves and x' = x, whatever is learnt. (x is what the edit is given: the base mechanism's answer.) Noise
moves along with what it belongs to, so that a structure that shrinks takes its edge and its texture with it. (A deformation
as in *Spatial Transformer Networks*, Jaderberg et al., 2015, arXiv:1506.02025.)
"""

from collections.abc import Iterable, Mapping
from typing import Annotated

import torch
from pydantic import Field, PositiveInt
from torch import Tensor, nn
from torch.nn import functional as F

from causalimg.graph import Image, Variable
from causalimg.mechanisms.blocks import perceptron
from causalimg.mechanisms.context import Context
from causalimg.mechanisms.edited import Edit
from causalimg.mechanisms.hierarchy import bounds_of, check_divisible, kernels_of
from causalimg.mechanisms.mechanism import Values
from causalimg.mechanisms.unet import ModulatedUNet

STRIDE, FARTHEST = 1 / 16, 0.5
"""How far a move of one takes a pixel, and how far any may, along each axis: in halves of the image's side."""

BRUSH = 0.1
"""How much a repaint of one changes a pixel, as a share of the grey range."""


class Deform(Edit):
    """Moves and repaint per pixel, at half the image's resolution.

    `widths`: channels of the network per resolution, fine to coarse, from half the image's size. `basis`: how many feature maps
    are mixed. `embedding`: width of the network that sees the parents.
    """

    widths: Annotated[tuple[PositiveInt, ...], Field(min_length=1)] = (16, 32, 48)
    basis: PositiveInt = 32
    embedding: PositiveInt = 64

    def build(self, image: Image, parents: Mapping[str, Variable]) -> None:
        check_divisible("Deform", image, len(self.widths))
        channels, kernels = image.shape[0], kernels_of(image.shape[1:], len(self.widths))
        self.low, self.high = bounds_of("Deform", image)
        self.context = Context(parents)
        self.answers = nn.Buffer(torch.zeros(self.context.width))
        self.mix = nn.Sequential(perceptron(self.context.width, self.embedding), nn.Linear(self.embedding, self.basis))
        self.unet = ModulatedUNet(channels, self.widths, kernels, 0, 1)
        self.maps = nn.Conv2d(self.widths[0], self.basis, 1)
        self.leave = nn.Conv2d(self.basis, 2 + channels, 1, bias=False)
        nn.init.zeros_(self.leave.weight)  # nothing is changed yet

    def answer_to(self, names: Iterable[str]) -> None:
        for name in names:
            self.answers[self.context.columns(name)] = 1.0

    def forward(self, image: Tensor, before: Values, after: Values) -> Tensor:
        span = self.high - self.low
        unit = (image - self.low) / span
        changed = self._mixed(after) - self._mixed(before)
        fields: Tensor = self.leave(self.features(unit) * changed[:, :, None, None])
        whole = F.interpolate(fields.float(), unit.shape[-2:], mode="bilinear")
        return self.low + span * deformed(unit, whole)

    def features(self, unit: Tensor) -> Tensor:
        """B(x) of images in [0, 1]: (batch, basis, height / 2, width / 2)."""
        maps: Tensor = self.maps(F.silu(self.unet(2 * unit - 1, None)))
        return maps

    def _mixed(self, parents: Values) -> Tensor:
        n = max((len(column) for column in parents.values()), default=1)
        mixed: Tensor = self.mix(self.context(parents, n) * self.answers)
        return mixed


def deformed(image: Tensor, fields: Tensor) -> Tensor:
    """`image` (batch, channels, h, w), deformed and repainted by `fields` (batch, 2 + channels, h, w); by zeros, as it is."""
    moves, paint = fields[:, :2], fields[:, 2:]
    offset = FARTHEST * torch.tanh(STRIDE / FARTHEST * moves).movedim(1, -1)
    down, right = ((2 * torch.arange(side, device=image.device) + 1) / side - 1 for side in image.shape[-2:])
    grid = torch.stack(torch.meshgrid(right, down, indexing="xy"), dim=-1) + offset  # the pixels' centres, moved
    moved: Tensor = F.grid_sample(image.expand(len(grid), -1, -1, -1), grid, padding_mode="border", align_corners=False)
    return moved + BRUSH * paint
