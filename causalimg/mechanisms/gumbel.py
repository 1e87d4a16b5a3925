"""Categorical variables by the Gumbel-max trick: v = argmax_k (l_k(pa) + u_k), with u_k ~ Gumbel(0, 1).

Abduction draws u given that level k won. With g_j = l_j + u_j and l normalised (logsumexp l = 0)::

    g_k = m ~ Gumbel(0, 1)                                  the maximum does not depend on who won
    g_j ~ Gumbel(l_j, 1) truncated to g_j < m               j ≠ k, drawn as -log(exp(-m) + exp(-g)),  g ~ Gumbel(l_j, 1)
    u   = g - l

The bound is the maximum's value m, not its noise. A* Sampling (Maddison et al., 2014, arXiv:1411.0030); counterfactuals:
*Counterfactual Off-Policy Evaluation with Gumbel-Max Structural Causal Models* (Oberst & Sontag, 2019, arXiv:1905.05824).
"""

from typing import ClassVar, cast

import torch
from pydantic import PositiveInt
from torch import Tensor
from torch.distributions import Gumbel

from causalimg.graph import Categorical
from causalimg.mechanisms.context import Hypernetwork
from causalimg.mechanisms.mechanism import OF_NUMBERS, Abduction, MaximumLikelihood, Noise, Values, rows
from causalimg.training.recipe import Recipe

LEAD = 1e-4
"""By how much the factual level wins at least: rounding must not turn a draw."""


class GumbelMax(MaximumLikelihood):
    """Gumbel-max mechanism for `Categorical` variables; `width` of the network that gives the logits."""

    handles = (Categorical,)
    recipe: ClassVar[Recipe] = OF_NUMBERS

    width: PositiveInt = 32

    def build(self) -> None:
        self.levels = len(cast(Categorical, self.variable).levels)
        self.network = Hypernetwork(self.parents, self.width, self.levels)

    def noise(self, n: int) -> Tensor:
        zeros = self.network.last.weight.new_zeros(n, self.levels)
        gumbels: Tensor = Gumbel(zeros, 1.0).sample()
        return gumbels

    def predict(self, u: Noise, parents: Values) -> Tensor:
        return (self._logits(parents, rows(u, parents)) + cast(Tensor, u)).argmax(dim=1)

    def explain(self, value: Tensor, parents: Values) -> Abduction:
        logits = self._logits(parents, len(value))
        won = value.long()[:, None]
        highest = self.noise(len(value))[:, :1]
        others = -torch.logaddexp(-highest, -(logits + self.noise(len(value))))
        perturbed = others.scatter(1, won, highest + LEAD)
        return Abduction(perturbed - logits, -logits.gather(1, won)[:, 0])

    def _logits(self, parents: Values, n: int) -> Tensor:
        logits: Tensor = self.network(parents, n)
        return logits.log_softmax(dim=1)
