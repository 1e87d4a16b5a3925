r"""From a number within bounds to the real line, and back.

Far from its bounds a value is only standardised; within about a `scale` of one, a barrier bends the map to infinity. With
centre c, scale s, and the distances to the bounds l = (v - low) / s and h = (high - v) / s::

    t = (v - c) / s + log(1 - exp(-l)) - log(1 - exp(-h))
    s dt/dv = 1 + exp(-l) / (1 - exp(-l)) + exp(-h) / (1 - exp(-h))
    v = c + s (t + softplus(-(t + l_c)) - softplus(t - h_c)),        l_c and h_c: the distances of c

One bound gives the inverse of softplus, two that are close the logit, none (they are at infinity) plain standardisation.
A logarithm or a logit throughout would do for the bounds as well, but bend what is Gaussian far away from them.

The barrier stands a little outside of the bounds (`MARGIN`), so that a value exactly on one (an area of zero) has a
finite t; what lands between bound and barrier on the way back is put on the bound.
"""

from math import inf

import torch
from pyro.distributions import constraints
from torch import Tensor
from torch.distributions import Transform
from torch.nn.functional import softplus

MARGIN = 1e-3
"""How far outside the bounds the barrier stands, in units of the scale."""


class Standardise(Transform):
    """Values within `bounds` (None: unbounded) -> real numbers, standardised by `center` and `scale`; elementwise."""

    domain = constraints.real
    codomain = constraints.real
    bijective = True

    def __init__(self, center: Tensor, scale: Tensor, bounds: tuple[float | None, float | None]) -> None:
        super().__init__()
        self.center, self.scale = center, scale
        self.low = -inf if bounds[0] is None else bounds[0]
        self.high = inf if bounds[1] is None else bounds[1]

    def _distances(self, value: Tensor) -> tuple[Tensor, Tensor]:
        return (value - self.low) / self.scale + MARGIN, (self.high - value) / self.scale + MARGIN

    def _call(self, x: Tensor) -> Tensor:
        low, high = self._distances(x)
        return (x - self.center) / self.scale + (-torch.expm1(-low)).log() - (-torch.expm1(-high)).log()

    def _inverse(self, y: Tensor) -> Tensor:
        low, high = self._distances(self.center)
        standardised = y + softplus(-(y + low)) - softplus(y - high)
        return (self.center + self.scale * standardised).clamp(self.low, self.high)

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        low, high = self._distances(x)
        bends = torch.exp(-low) / -torch.expm1(-low) + torch.exp(-high) / -torch.expm1(-high)
        return bends.log1p() - self.scale.log()
