"""An inequality on the likelihood, by the augmented Lagrangian.

    minimise L    subject to    F ≤ c

becomes, at every step, ``L + (max(0, λ + ρ (F - c))² - λ²) / 2ρ`` with the multiplier ``λ ← max(0, λ + ρ (F - c))`` (Nocedal and
Wright, *Numerical Optimization*, 2006, eq. 17.65, for one inequality). Where F is below c and λ is 0 the term and its gradient
vanish: a model better than the bound is never pushed back to it.
"""

import torch
from torch import Tensor, nn


class Bound(nn.Module):
    """The term that holds ``excess = F - c`` at or below zero. The multiplier is a buffer and follows step by step.

    `rate` scales the multiplier's step: the excess of one batch is a noisy estimate.
    """

    def __init__(self, rho: float, rate: float = 0.1) -> None:
        super().__init__()
        self.rho = rho
        self.rate = rate
        self.multiplier = nn.Buffer(torch.zeros(()))

    def forward(self, excess: Tensor) -> Tensor:
        """The term to add to the loss, a scalar."""
        active = (self.multiplier + self.rho * excess).clamp(min=0)
        term = (active.square() - self.multiplier.square()) / (2 * self.rho)
        with torch.no_grad():
            step = torch.nan_to_num(self.rate * self.rho * excess)  # a batch that is skipped moves nothing
            self.multiplier.copy_((self.multiplier + step).clamp(min=0))
        return term
