"""The linear-Gaussian mechanism, v = Σ_p w_p · pa_p + b + σ u with u ~ N(0, 1): known exactly, or fitted exactly.

Counterfactuals have a closed form, v' = v + Σ_p w_p · (pa'_p - pa_p): the truth against which others can be tested.
"""

import math
from collections.abc import Mapping
from typing import cast

import torch
from pydantic import PositiveFloat
from torch import Generator, Tensor, nn

from causalimg.errors import check_known
from causalimg.graph import Categorical, Continuous
from causalimg.mechanisms.context import Context
from causalimg.mechanisms.mechanism import Abduction, Monotone, Noise, Values, rows, standard_normal


class LinearGaussian(Monotone):
    """Linear in its parents with Gaussian noise, for `Continuous` variables without bounds.

    Made with coefficients in natural units it is a known truth; `weights` by parent, one per level for a categorical one,
    zero for the parents not named: ``LinearGaussian(weights={"age": 0.5, "sex": (0.0, 3.0)}, bias=20.0, scale=2.0)``.
    Fitting replaces them by the maximum likelihood, in closed form; nothing is left to train. A known truth counts as fitted.
    """

    handles = (Continuous,)

    weights: Mapping[str, float | tuple[float, ...]] = {}
    bias: float = 0.0
    scale: PositiveFloat = 1.0

    def build(self) -> None:
        if cast(Continuous, self.variable).bounds != (None, None):
            raise ValueError("LinearGaussian: Gaussian noise keeps to no bounds; drop them, or take a ConditionalFlow")
        check_known("parent", self.weights, self.parents)
        self.context = Context(self.parents)
        self.slope = nn.Buffer(torch.tensor([weight for name in self.parents for weight in self._weights(name)]))
        self.intercept = nn.Buffer(torch.tensor(self.bias))
        self.sigma = nn.Buffer(torch.tensor(self.scale))
        self.fitted.fill_(bool(self.weights) or (self.bias, self.scale) != (0.0, 1.0))

    def _weights(self, parent: str) -> tuple[float, ...]:
        variable = self.parents[parent]
        count = len(variable.levels) if isinstance(variable, Categorical) else 1
        given = self.weights.get(parent, (0.0,) * count)
        weights = given if isinstance(given, tuple) else (given,)
        if len(weights) != count:
            raise ValueError(f"LinearGaussian: {parent} needs {count} weights, got {len(weights)}")
        return weights

    def prepare(self, value: Tensor, parents: Values) -> None:
        super().prepare(value, parents)
        features = nn.functional.pad(self.context(parents, len(value)), (0, 1), value=1.0).cpu().double()
        target = value.cpu().double()
        # one-hot columns add up to the constant one: gelsd takes the shortest of all solutions
        solution = torch.linalg.lstsq(features, target[:, None], driver="gelsd").solution[:, 0]
        self.slope.copy_(solution[:-1])
        self.intercept.copy_(solution[-1])
        self.sigma.copy_((target - features @ solution).square().mean().sqrt().clamp(min=1e-6))

    def noise(self, n: int, generator: Generator | None = None) -> Tensor:
        return standard_normal((n,), self.sigma.device, generator)

    def predict(self, u: Noise, parents: Values) -> Tensor:
        return self._mean(parents, rows(u, parents)) + self.sigma * cast(Tensor, u)

    def explain(self, value: Tensor, parents: Values, prior: Noise) -> Abduction:
        u = (value - self._mean(parents, len(value))) / self.sigma
        return Abduction(u, 0.5 * u.square() + self.sigma.log() + 0.5 * math.log(2 * math.pi))

    def _mean(self, parents: Values, n: int) -> Tensor:
        features: Tensor = self.context(parents, n)
        return (features * self.slope).sum(dim=1) + self.intercept
