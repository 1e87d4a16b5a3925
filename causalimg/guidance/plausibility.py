"""Plausibility: the counterfactual should be as likely under the fitted mechanism as the factual image was.

A guide can be satisfied by blots; what was fitted knows none. As the reference of reward fine-tuning does (*Directly Fine-Tuning
Diffusion Models on Differentiable Rewards*, Clark et al., ICLR 2024, arXiv:2309.17400), it holds the answers to what was fitted.
"""

from torch import Tensor

from causalimg.guidance.imagined import Imagined
from causalimg.guidance.term import Term


class Plausibility(Term):
    """max(0, F(x', pa') - F(x, pa)), with F the loss of `fit` per dimension, such as a negative log-likelihood.

    Costs two more passes of the mechanism.
    """

    def __call__(self, imagined: Imagined) -> Tensor:
        before, after = imagined.losses()
        return (after - before).clamp(min=0)
