"""How usual what was asked is, and how the error depends on it: see `causalimg.support`.

By the support of each question: `usual` from 10 % on, `rare` down to 1 %, `unusual` below.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from causalimg.counterfactual import Counterfactual
from causalimg.evaluation.questions import Items, Measured, Question
from causalimg.evaluation.statistics import NONE, Estimate, mean, pool, relative
from causalimg.graph import Graph
from causalimg.support import UNUSUAL

USUAL = 0.1
"""From this support on, what is asked counts as usual."""


class Usualness(NamedTuple):
    """Of ``do(name=target)``: the share of the questions that are so usual, and their mean error, in % of the target."""

    usual: Estimate
    error_usual: Estimate
    rare: Estimate
    error_rare: Estimate
    unusual: Estimate
    error_unusual: Estimate

    def to_data(self) -> dict[str, Any]:
        """Plain JSON data."""
        return {name: value.to_data() for name, value in self._asdict().items()}


def support_of(question: Question) -> dict[str, Tensor]:
    """The support of each answer; nothing, where the model doesn't know it."""
    answer = question.after
    known = isinstance(answer, Counterfactual) and answer.support is not None
    return {"support": torch.as_tensor(answer.support).cpu()} if known else {}  # type: ignore[attr-defined]


def usualness(graph: Graph, items: Items, measured: Sequence[Mapping[str, Measured]]) -> dict[str, Usualness]:
    """By variable that was set, over all models; of those that know it."""
    kept = {name: [each[name] for each in measured] for name in items.targets}
    return {
        name: _binned(graph, name, items, each) for name, each in kept.items() if all(one["support"] for one in each)
    }


def _binned(graph: Graph, name: str, items: Items, each: Sequence[Measured]) -> Usualness:
    target, found = items.targets[name], []
    supports = [one["support"]["support"] for one in each]
    errors = [relative(graph[name], one["read"][name], target, target) for one in each]
    for low, high in ((USUAL, torch.inf), (UNUSUAL, USUAL), (-torch.inf, UNUSUAL)):
        within = [(low <= support) & (support < high) for support in supports]
        found.append(pool([mean(one.float()) for one in within], items.weights))
        pairs = [mean(error.where(one, torch.nan)) for error, one in zip(errors, within, strict=True)]
        found.append(pool(pairs, items.weights) if all(one.any() for one in within) else NONE)
    return Usualness(*found)
