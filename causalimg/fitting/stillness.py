"""What should stay as it is in a counterfactual image, as losses: local coherence is earned here.

A guide can be gamed: darkening the whole image moves a segmentor's border, and so its area (docs/caveats.md). With R the
structures of what moved, before and after, and N(R) their neighbourhood, all losses are per item, in shares of the grey range::

    change    mean over all pixels of |x' - x|: no more should change than has to (minimality)
    outside   mean over all pixels of |x' - x| outside N(R)
    grey      |mean grey of S' in x' - mean grey of S in x|, over the structures S: their outline may move, their exposure not
"""

import torch
from torch import Tensor
from torch.nn import functional as F

from causalimg.fitting.imagined import Imagined


def change(imagined: Imagined) -> Tensor:
    """Mean |x' - x|: (n,)."""
    return (imagined.image - imagined.was).abs().flatten(1).mean(1)


def outside(imagined: Imagined, margin: float) -> Tensor:
    """Mean |x' - x| outside the structures of what moved, widened by `margin` (a share of the height): (n,)."""
    reach = round(margin * imagined.image.shape[-2])
    near = F.max_pool2d(imagined.region()[:, None].to(imagined.image), 2 * reach + 1, stride=1, padding=reach)
    return ((imagined.image - imagined.was).abs() * (1 - near)).flatten(1).mean(1)


def grey(imagined: Imagined) -> Tensor:
    """How much the mean grey within the structures changed, mean over the structures: (n,)."""
    changes = [
        (_within(imagined.image, after) - _within(imagined.was, imagined.before[name])).abs()
        for name, after in imagined.after.items()
    ]
    return torch.stack(changes).mean(0) if changes else imagined.image.new_zeros(len(imagined.image))


def _within(images: Tensor, mask: Tensor) -> Tensor:
    """Mean grey of `images` within `mask`: (n,); that of the whole image where the mask is empty."""
    mask = mask | ~mask.flatten(1).any(1)[:, None, None]
    return (images.mean(1) * mask).flatten(1).sum(1) / mask.flatten(1).sum(1)
