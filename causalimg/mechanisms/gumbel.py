"""Categorical variables by the Gumbel-max trick: v = argmax_k (l_k(pa) + u_k), with u_k ~ Gumbel(0, 1).

Abduction carries draws p ~ Gumbel(0, 1), one for each level, to draws of u given that level k won. With g_j = l_j + u_j and l
normalised (logsumexp l = 0)::

    g_k = p_k = m                                           the maximum, Gumbel(0, 1): it does not depend on who won
    g_j = -log(exp(-m) + exp(-l_j - p_j)),  j ≠ k           Gumbel(l_j, 1) truncated to g_j < m
    u   = g - l

The bound is the maximum's value m, not its noise. A* Sampling (Maddison et al., 2014, arXiv:1411.0030); counterfactuals:
*Counterfactual Off-Policy Evaluation with Gumbel-Max Structural Causal Models* (Oberst & Sontag, 2019, arXiv:1905.05824).
"""

from typing import ClassVar, cast

import torch
from pydantic import PositiveInt
from torch import Generator, Tensor

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

    def noise(self, n: int, generator: Generator | None = None) -> Tensor:
        device = self.network.last.weight.device
        drawn = torch.empty(n, self.levels, device=device if generator is None else generator.device)
        return -drawn.exponential_(generator=generator).log().to(device)

    def predict(self, u: Noise, parents: Values) -> Tensor:
        return (self._logits(parents, rows(u, parents)) + cast(Tensor, u)).argmax(dim=1)

    def explain(self, value: Tensor, parents: Values, prior: Noise) -> Abduction:
        drawn = cast(Tensor, prior)
        logits = self._logits(parents, len(value))
        won = value.long()[:, None].expand(len(drawn), 1)
        highest = drawn.gather(1, won)
        others = -torch.logaddexp(-highest, -(logits + drawn))
        perturbed = others.scatter(1, won, highest + LEAD)
        return Abduction(perturbed - logits, -logits.gather(1, value.long()[:, None])[:, 0])

    def _logits(self, parents: Values, n: int) -> Tensor:
        logits: Tensor = self.network(parents, n)
        return logits.log_softmax(dim=1)
