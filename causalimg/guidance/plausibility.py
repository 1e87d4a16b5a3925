"""Plausibility: the counterfactual should be as likely under the fitted mechanism as the factual image was."""

from torch import Tensor

from causalimg.graph import Graph
from causalimg.guidance.imagined import Imagined
from causalimg.guidance.term import Term
from causalimg.mechanisms import Mechanism
from causalimg.mechanisms.mechanism import likelihood_of


class Plausibility(Term):
    """max(0, F(x', pa') - F(x, pa)), with F the negative log-likelihood (bound) in nats per dimension.

    Costs one more pass of the mechanism. Raises TypeError for an image mechanism without a likelihood.
    """

    def __call__(self, imagined: Imagined) -> Tensor:
        return (imagined.nll() - imagined.nll_before()).clamp(min=0)

    def check(self, graph: Graph, image: str, mechanism: Mechanism) -> None:
        if likelihood_of(mechanism) is None:
            raise TypeError(
                f"{self.label}: {type(mechanism.unwrapped).__name__} of {image} has no likelihood (see Likelihood)"
            )
