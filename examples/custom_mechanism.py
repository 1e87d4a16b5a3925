"""A mechanism of your own. `causalimg.testing.check_mechanism(LaplaceNoise(), graph, "v")` holds it to the contract."""

import torch
from torch import Tensor
from torch.distributions import Laplace

import causalimg as ci
from causalimg.mechanisms.context import Hypernetwork


class LaplaceNoise(ci.MaximumLikelihood):
    """v = m(pa) + s(pa) u, with u ~ Laplace(0, 1): heavier tails than a Gaussian's, for numbers without bounds."""

    handles = (ci.Continuous,)
    width: int = 16  # a setting: LaplaceNoise(width=32)

    def build(self) -> None:
        self.network = Hypernetwork(self.parents, self.width, outputs=2)
        self.unit = torch.nn.Buffer(torch.tensor([0.0, 1.0]))  # mean and spread of the data

    def prepare(self, value: Tensor, parents: dict[str, Tensor]) -> None:
        super().prepare(value, parents)
        self.unit.copy_(torch.stack([value.mean(), value.std()]))

    def noise(self, n: int, generator: torch.Generator | None = None) -> Tensor:
        sign = 2.0 * torch.randint(0, 2, (n,), generator=generator) - 1
        return (sign * torch.empty(n).exponential_(generator=generator)).to(self.unit)

    def given(self, parents: dict[str, Tensor], n: int) -> Laplace:
        m, log_s = self.network(parents, n).T
        return Laplace(self.unit[0] + self.unit[1] * m, self.unit[1] * log_s.exp())

    def predict(self, u: Tensor, parents: dict[str, Tensor]) -> Tensor:
        v = self.given(parents, max(map(len, (u, *parents.values()))))
        return v.loc + v.scale * u

    def explain(self, value: Tensor, parents: dict[str, Tensor], prior: Tensor) -> ci.Abduction:
        v = self.given(parents, len(value))
        return ci.Abduction((value - v.loc) / v.scale, -v.log_prob(value))
