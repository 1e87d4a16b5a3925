"""Segmentors: readers that outline structures, on which quantities are measured.

Soft outlines are probabilities and guide; hard ones are where a probability exceeds one half, and are reported. The training
loss is for outlines and for what is measured on them: with probabilities p, masks m and areas A as fractions of the image,

    cross-entropy(p, m)  +  1 - Dice(p, m)  +  |log (A(p) + c) / (A(m) + c)|,        c = 0.5 %

The soft area is the sum of probabilities over all pixels; however small each is in the background, the background is large, and
a border is uncertain. So that soft areas agree with hard ones, a sharpness s >= 1 for each structure narrows both,

    p = sigmoid(s * logit),

and leaves the hard outline, p > 1/2, where it was. It is the least s at which soft and hard areas differ by at most 1 % on
average: a sharper p is nearer to the hard one, but a step has no gradient to guide by.

Segmentor-guided Counterfactual Fine-Tuning (Xia et al., 2025), https://arxiv.org/abs/2509.24913
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Self

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits

from causalimg.errors import check_given, check_known
from causalimg.graph import Graph, measure
from causalimg.readers.networks import UNet
from causalimg.readers.neural import NeuralReader, check_dims, check_distinct, stacked
from causalimg.readers.scores import Scores, outline_scores
from causalimg.values import numbers

SMALL = 0.005
TOLERANCE = 0.01
SHARPEST = 8.0


class Segmentor(NeuralReader):
    """Outlines `structures`, and reads what a graph measures on them.

    The network gives logits (n, structures, height, width), a sigmoid away from probabilities; or with `background` one
    map more in front, a softmax away. `fit` and `assess` take masks by structure, each (n, height, width) of 0 and 1, or
    one label map (n, height, width) of 0 for background and 1, 2, ... in the order of `structures`.
    """

    structures: tuple[str, ...] = Field(min_length=1)
    background: bool = False

    def __init__(self, network: nn.Module | Mapping[str, Any], **settings: Any) -> None:
        super().__init__(network, **settings)
        check_distinct("structure", self.structures)
        self.sharpness = nn.Buffer(torch.ones(len(self.structures)))

    @classmethod
    def unet(cls, structures: Sequence[str], **settings: Any) -> Self:
        """A segmentor to be trained: a `UNet` with these `settings` (channels, encoder, width, seed)."""
        cls._settings(structures=structures)  # what is wrong with them, before their number goes into a network
        return cls(UNet(outputs=len(structures), **settings), structures=structures)

    def probabilities(self, images: Tensor) -> dict[str, Tensor]:
        """Soft outlines by structure, each (n, height, width), differentiable in `images` (n, channels, height, width)."""
        soft = (self._logits(self.network(images)) * self.sharpness[:, None, None]).sigmoid()
        return dict(zip(self.structures, soft.unbind(1), strict=True))

    def masks(self, images: Tensor) -> dict[str, Tensor]:
        """Hard outlines by structure, each (n, height, width) of bool."""
        hard = self._logits(self.outputs(images)) > 0
        return dict(zip(self.structures, hard.unbind(1), strict=True))

    def can_read(self, graph: Graph) -> tuple[str, ...]:
        """The variables that are measured on structures that this segmentor outlines."""
        return tuple(name for name, q in graph.measured.items() if set(q.structures) <= set(self.structures))

    def read(self, images: Tensor, graph: Graph, names: Iterable[str], *, soft: bool = False) -> dict[str, Tensor]:
        """Each measured variable, shape (n,), in its unit; soft: differentiable. Raises ValueError on another name."""
        names = self.readable(graph, names)
        outlines = self.probabilities(images) if soft else self.masks(images)
        return {name: measure(graph, name, outlines, images) for name in names}

    def targets(self, labels: Any) -> Tensor:
        """Masks (n, structures, height, width) of bool."""
        if not isinstance(labels, Mapping):
            given = numbers("masks", labels, "masks by structure, or one label map")
            known = torch.arange(1, len(self.structures) + 1, device=given.device)[:, None, None]
            return _outlines(given, "label map", most=len(known))[:, None] == known
        check_known("structure", labels, self.structures)
        check_given("mask", self.structures, labels)
        masks = {name: numbers(f"mask of {name}", labels[name]) for name in self.structures}
        outlines = {name: _outlines(mask, f"mask of {name}", most=1).bool() for name, mask in masks.items()}
        return stacked(outlines, "n", "height", "width")

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        logits = self._logits(outputs)
        soft, pixels = logits.sigmoid(), targets[0, 0].numel()
        both, read, true = (maps.sum((2, 3)) for maps in (soft * targets, soft, targets))
        dice = (2 * both + 1) / (read + true + 1)
        area = ((read / pixels + SMALL) / (true / pixels + SMALL)).log().abs()
        return binary_cross_entropy_with_logits(logits, targets) + (1 - dice + area).mean()

    def settle(self, outputs: Tensor, targets: Tensor) -> None:
        """Make the soft areas agree with the hard ones."""
        self.sharpness.copy_(sharpness(self._logits(outputs)))

    def scores(self, outputs: Tensor, targets: Tensor) -> dict[str, Scores]:
        logits = self._logits(outputs)
        before, after = (gap(logits, s).tolist() for s in (torch.ones_like(self.sharpness), self.sharpness))
        hard, true = (logits > 0).unbind(1), targets.unbind(1)
        return {
            name: outline_scores(hard[k], true[k])
            | {"soft_gap_raw": 100 * before[k], "soft_gap": 100 * after[k], "sharpness": self.sharpness[k].item()}
            for k, name in enumerate(self.structures)
        }

    def _logits(self, outputs: Tensor) -> Tensor:
        """Logits (n, structures, height, width) of each structure against all else."""
        maps = len(self.structures) + self.background
        if outputs.ndim != 4 or outputs.shape[1] != maps:
            raise ValueError(
                f"a segmentor of {', '.join(self.structures)}{' and background' if self.background else ''} needs a network "
                f"with outputs of shape (n, {maps}, height, width), not {tuple(outputs.shape)}"
            )
        if not self.background:
            return outputs
        rest = [outputs[:, [j for j in range(maps) if j != k]].logsumexp(1) for k in range(1, maps)]
        return outputs[:, 1:] - torch.stack(rest, dim=1)


def gap(logits: Tensor, sharpness: Tensor) -> Tensor:
    """Mean of |soft area - hard area| over the mean hard area, shape (K,), for logits (n, K, H, W) and sharpness (K,)."""
    hard = (logits > 0).float().sum((2, 3))
    soft = (logits * sharpness[:, None, None]).sigmoid().sum((2, 3))
    return (soft - hard).abs().mean(0) / hard.mean(0).clamp(min=1)


def sharpness(logits: Tensor) -> Tensor:
    """The least sharpness, shape (K,), that closes the `gap` to `TOLERANCE`, and at most `SHARPEST`: by bisection."""
    low = torch.ones(logits.shape[1], device=logits.device)
    high = torch.full_like(low, SHARPEST)
    for _ in range(12):
        middle = (low + high) / 2
        enough = gap(logits, middle) <= TOLERANCE
        low, high = torch.where(enough, low, middle), torch.where(enough, middle, high)
    return torch.where(gap(logits, torch.ones_like(high)) <= TOLERANCE, torch.ones_like(high), high)


def _outlines(masks: Tensor, what: str, most: int) -> Tensor:
    """`masks`, if they are of shape (n, height, width) and hold whole numbers from 0 to `most`, else ValueError."""
    check_dims(what, masks, "n", "height", "width")
    if ((masks < 0) | (masks > most) | (masks != masks.long())).any():
        values = ", ".join(f"{value:g}" for value in masks.unique()[:8].tolist())
        raise ValueError(f"{what}: expected whole numbers from 0 to {most}, got {values}")
    return masks
