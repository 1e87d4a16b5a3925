"""Plausibility: the counterfactual should be as likely under the fitted mechanism as the factual image was."""

from typing import ClassVar

from torch import Tensor

from causalimg.guidance.imagined import Imagined
from causalimg.guidance.term import Term


class Plausibility(Term):
    """max(0, F(x', pa') - F(x, pa)), with F the negative log-likelihood (bound) in nats per dimension.

    Costs one more pass of the mechanism. Refused for an image mechanism without a likelihood.
    """

    needs_nll: ClassVar[bool] = True

    def __call__(self, imagined: Imagined) -> Tensor:
        return (imagined.nll() - imagined.nll_before()).clamp(min=0)
