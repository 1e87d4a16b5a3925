"""Locality: what lies away from the structures that move stays as it was.

A guide can be gamed: darkening the whole image moves a segmentor's border, and so its area (docs/caveats.md). With R the
structures of what moved, before and after, and N(R) their neighbourhood, the term is the mean of |x' - x| outside N(R), over all
pixels, as a share of the grey range. It is 0 where nobody outlines what moved: without an outline nothing is known to be outside.
"""

import torch
from pydantic import NonNegativeFloat
from torch import Tensor

from causalimg.guidance.imagined import Imagined
from causalimg.guidance.term import Term
from causalimg.readers.reader_set import widened


class Locality(Term):
    """The change outside the outlines of what moves, before and after, widened by `margin`, a share of the image's height."""

    margin: NonNegativeFloat = 0.05

    def __call__(self, imagined: Imagined) -> Tensor:
        region = imagined.region()
        reach = round(self.margin * imagined.image.shape[-2])
        outside = (imagined.change * ~widened(region, reach)[:, None]).flatten(1).mean(1)
        return torch.where(region.flatten(1).any(1), outside, 0.0)
