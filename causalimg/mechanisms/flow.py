"""A conditional normalising flow for numbers, from pyro's transforms.

From the value v to its noise, each step exactly invertible, with parameters from a small network of the parents::

    t = standardise(v)                      bounds to the real line, see `supports`
    e = (t - μ(pa)) / σ(pa)
    u = spline(e; pa) ~ N(0, 1)             monotone rational-quadratic within ±BOX, the identity outside

    nll = -log N(u; 0, 1) - log |du/dv|     in nats, for v in natural units

*Neural Spline Flows* (Durkan et al., 2019, arXiv:1906.04032). The network runs in float32, the algebra of one number per
sample in float64, and so is the noise: in float32 the inverse of a spline is off by 1e-3 and more, and where values are
rare (between two modes) many of them share one float32 of noise.
"""

import math
from typing import ClassVar, cast

import torch
from pydantic import NonNegativeInt, PositiveInt
from pyro.distributions.transforms import AffineTransform, ComposeTransform
from pyro.distributions.transforms.spline import ConditionedSpline
from torch import Generator, Tensor, nn
from torch.distributions import Transform
from torch.nn.functional import softplus

from causalimg.graph import Continuous
from causalimg.mechanisms.context import Hypernetwork
from causalimg.mechanisms.mechanism import (
    OF_NUMBERS,
    Abduction,
    Monotone,
    Noise,
    Values,
    rows,
    standard_normal,
)
from causalimg.mechanisms.supports import Standardise
from causalimg.training.recipe import Recipe

BOX = 5.0
"""Half the width of the spline, in standard deviations of what the parents leave open."""


class ConditionalFlow(Monotone):
    """Conditional affine and spline flow for `Continuous` variables, within their bounds.

    `bins` of the spline (0: the affine part alone), `width` of the network that sees the parents.
    """

    handles = (Continuous,)
    recipe: ClassVar[Recipe] = OF_NUMBERS

    bins: NonNegativeInt = 8
    width: PositiveInt = 32

    def build(self) -> None:
        self.sizes = [1, 1, *([self.bins, self.bins, self.bins - 1] if self.bins else [])]
        self.network = Hypernetwork(self.parents, self.width, sum(self.sizes))
        self.center = nn.Buffer(torch.zeros(()))
        self.scale = nn.Buffer(torch.ones(()))

    def prepare(self, value: Tensor, parents: Values) -> None:
        super().prepare(value, parents)
        spread = value.std(correction=0)
        self.center.copy_(value.mean())
        self.scale.copy_(torch.where(spread > 0, spread, 1.0))

    def noise(self, n: int, generator: Generator | None = None) -> Tensor:
        device = self.center.device
        return standard_normal((n,), device, generator, _widest(device))

    def predict(self, u: Noise, parents: Values) -> Tensor:
        n = rows(u, parents)
        noise = _exact(cast(Tensor, u)).expand(n)[:, None]
        value: Tensor = ComposeTransform(self._steps(parents, n)).inv(noise)
        return value[:, 0].to(self.center)

    def abduct(self, value: Tensor, parents: Values, prior: Noise) -> Noise:
        u: Tensor = ComposeTransform(self._steps(parents, len(value)))(_exact(value)[:, None])
        return u[:, 0].to(value.device, _widest(value.device))

    def explain(self, value: Tensor, parents: Values, prior: Noise) -> Abduction:
        u = _exact(value)[:, None]
        log_slope = torch.zeros_like(u)
        for step in self._steps(parents, len(value)):
            before, u = u, step(u)
            log_slope = log_slope + step.log_abs_det_jacobian(before, u)
        nll = 0.5 * u.square() + 0.5 * math.log(2 * math.pi) - log_slope
        return Abduction(u[:, 0].to(value.device, _widest(value.device)), nll[:, 0].to(value))

    def _steps(self, parents: Values, n: int) -> list[Transform]:
        """From values to noise, both (n, 1)."""
        loc, log_scale, *spline = _exact(self.network(parents, n)).split(self.sizes, dim=1)
        steps = [
            Standardise(_exact(self.center), _exact(self.scale), cast(Continuous, self.variable).bounds),
            AffineTransform(loc, (5 * torch.tanh(log_scale / 5)).exp()).inv,  # σ between e^-5 and e^5
        ]
        return [*steps, _spline(*spline)] if spline else steps


def _spline(widths: Tensor, heights: Tensor, slopes: Tensor) -> Transform:
    """Nearly the identity where the parameters, (n, bins) and (n, bins - 1), are zero."""
    positive = softplus(slopes + math.log(math.e - 1))
    shape = (widths.softmax(dim=1)[:, None], heights.softmax(dim=1)[:, None], positive[:, None], None)
    return ConditionedSpline(shape, bound=BOX, order="quadratic")


def _widest(device: torch.device) -> torch.dtype:
    return torch.float32 if device.type == "mps" else torch.float64  # Apple's GPUs have no float64


def _exact(tensor: Tensor) -> Tensor:
    """In float64, on the CPU where the device has none."""
    return (tensor.cpu() if _widest(tensor.device) != torch.float64 else tensor).double()
