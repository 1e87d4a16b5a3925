"""How an image answers to an intervention: it is deformed, and repainted, by a difference.

The image that noise u makes under parents pa is the origin; what a counterfactual changes is counted from there. With features
h(z, pa') of the decoder, a response R of two moves and a repaint for every pixel, and W the deformation by moves::

    abduct     o = pa                                 the factual image is where nothing is moved
    predict    m, p = R(h, pa') - R(h, o)
               x' = W_m[μ(z, pa') + σ(z, pa') ε] + p

With pa' = pa nothing moves and x' = x exactly, however R is trained: learning to answer costs no likelihood. The noise ε moves
along with what it belongs to, so that a structure that shrinks takes its edge and its texture with it. (A deformation of the
image in the manner of *Spatial Transformer Networks*, Jaderberg et al., 2015, arXiv:1506.02025.)

o is noise whose posterior is a point, the parents that were seen; drawn from the prior, it is their mean.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from causalimg.graph import Variable
from causalimg.mechanisms.blocks import Modulated, perceptron
from causalimg.mechanisms.context import Context

STRIDE, FARTHEST = 1 / 16, 0.5
"""How far a move of one takes a pixel, and how far any may, along each axis: in halves of the image's side."""

BRUSH = 0.1
"""How much a repaint of one changes a pixel, as a share of the grey range."""


class Response(nn.Module):
    """Features of the decoder per resolution, and two sets of parents -> moves (right, down) and repaint between them.

    Parents come as features (batch, `context.width`), the answer is (batch, 2 + channels, h, w). It answers to no parent until
    told to (`answer_to`): one that no guidance speaks for must not move anything.
    """

    def __init__(
        self, channels: int, widths: Sequence[int], parents: Mapping[str, Variable], embedding: int, width: int
    ) -> None:
        super().__init__()
        self.context = Context(parents)
        self.answers = nn.Buffer(torch.zeros(self.context.width))
        self.embed = perceptron(self.context.width, embedding)
        self.enter = nn.ModuleList(nn.Conv2d(before, width, 1) for before in widths)
        self.blocks = nn.ModuleList(_awake(Modulated(width, embedding)) for _ in widths)
        self.leave = nn.ModuleList(_still(nn.Conv2d(width, 2 + channels, 1, bias=False)) for _ in widths)

    def answer_to(self, names: Iterable[str]) -> None:
        """From now on, answer to the parents `names` too."""
        for name in names:
            self.answers[self.context.columns(name)] = 1.0

    def forward(self, features: Sequence[Tensor], after: Tensor, before: Tensor) -> Tensor:
        """R(features, after) - R(features, before); the features are not trained."""
        changed, origin = (self.embed(parents * self.answers) for parents in (after, before))
        size = [2 * side for side in features[0].shape[-2:]]
        maps: list[Tensor] = []
        blocks = cast(Iterable[Modulated], self.blocks)
        for found, enter, block, leave in zip(features, self.enter, blocks, self.leave, strict=True):
            entered = enter(found.detach())
            hidden = block.prepare(entered)
            there, here = (F.silu(block.modulate(entered, hidden, parents)) for parents in (changed, origin))
            answer: Tensor = leave(there - here)
            maps.append(F.interpolate(answer, size, mode="bilinear"))
        return torch.stack(maps).sum(0)


def answer(image: Tensor, response: Tensor) -> Tensor:
    """`image` (batch, channels, h, w), deformed and repainted by `response` (batch, 2 + channels, h, w); by zeros, as it is."""
    moves, paint = response.float().split([2, image.shape[1]], dim=1)
    offset = FARTHEST * torch.tanh(STRIDE / FARTHEST * moves).movedim(1, -1)
    down, right = ((2 * torch.arange(side, device=image.device) + 1) / side - 1 for side in image.shape[-2:])
    grid = torch.stack(torch.meshgrid(right, down, indexing="xy"), dim=-1) + offset  # the pixels' centres, moved
    answered: Tensor = F.grid_sample(image, grid, padding_mode="border", align_corners=False) + BRUSH * paint
    return answered


def _still(layer: nn.Conv2d) -> nn.Conv2d:
    """Zero at the start: nothing is answered yet."""
    nn.init.zeros_(layer.weight)
    return layer


def _awake(block: Modulated) -> Modulated:
    """Not the identity at the start: where parents make no difference, and the layer behind is zero, nothing is ever learnt."""
    block.second.reset_parameters()
    return block
