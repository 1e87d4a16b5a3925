"""An inequality on what was fitted, by the augmented Lagrangian.

    minimise L    subject to    F ≤ c

becomes, at every step, ``L + (max(0, λ + ρ (F - c))² - λ²) / 2ρ`` with the multiplier ``λ ← max(0, λ + ρ (F - c))`` (Nocedal and
Wright, *Numerical Optimization*, 2006, eq. 17.65, for one inequality). Where F is below c and λ is 0 the term and its gradient
vanish: a model better than the bound is never pushed back to it.
"""

import torch
from pydantic import NonNegativeFloat, PositiveFloat
from torch import Tensor, nn

from causalimg.graph.spec import Spec


class Bound(Spec):
    """F, the loss of `fit` (negative log-likelihood or its bound) on factual images, may rise by `tolerance`, a share of |F|.

    For mechanisms whose fitted weights are trained. `rho` is the penalty; `rate` scales the multiplier's step, since the excess
    of one batch is a noisy estimate.
    """

    tolerance: NonNegativeFloat = 0.01
    rho: PositiveFloat = 5.0
    rate: PositiveFloat = 0.1


class Constraint(nn.Module):
    """The term that holds ``excess = F - c`` at or below zero. The multiplier λ is a buffer and follows step by step."""

    def __init__(self, bound: Bound) -> None:
        super().__init__()
        self.rho, self.rate = bound.rho, bound.rate
        self.multiplier = nn.Buffer(torch.zeros(()))

    def forward(self, excess: Tensor) -> Tensor:
        """The term to add to the loss, a scalar."""
        active = (self.multiplier + self.rho * excess).clamp(min=0)
        term = (active.square() - self.multiplier.square()) / (2 * self.rho)
        with torch.no_grad():
            step = torch.nan_to_num(self.rate * self.rho * excess)  # a batch that is skipped moves nothing
            self.multiplier.copy_((self.multiplier + step).clamp(min=0))
        return term
