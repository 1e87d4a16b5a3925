"""Grey levels: the outline of a structure may move, its mean grey may not."""

import torch
from torch import Tensor

from causalimg.guidance.imagined import Imagined
from causalimg.guidance.term import Term


class Grey(Term):
    """How much the mean grey within a structure changes, |mean over S' in x' - mean over S in x|, mean over the structures, as a
    share of the grey range."""

    def __call__(self, imagined: Imagined) -> Tensor:
        changes = [
            (_mean(imagined.image, after) - _mean(imagined.was, imagined.before[name])).abs() / imagined.span
            for name, after in imagined.after.items()
        ]
        return torch.stack(changes).mean(0) if changes else imagined.image.new_zeros(len(imagined.image))


def _mean(images: Tensor, mask: Tensor) -> Tensor:
    """Mean grey of `images` within `mask`: (n,); that of the whole image where the mask is empty."""
    mask = mask | ~mask.flatten(1).any(1)[:, None, None]
    return (images.mean(1) * mask).flatten(1).sum(1) / mask.flatten(1).sum(1)
