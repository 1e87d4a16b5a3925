"""Minimality: no more should change than has to (Melistas et al., NeurIPS 2024, arXiv:2403.20287)."""

from torch import Tensor

from causalimg.guidance.imagined import Imagined
from causalimg.guidance.term import Term


class Minimality(Term):
    """The mean change of a pixel, |x' - x| over all pixels, as a share of the grey range."""

    def __call__(self, imagined: Imagined) -> Tensor:
        return imagined.change.flatten(1).mean(1)
