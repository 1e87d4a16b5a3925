"""Asking a model for counterfactuals, batch by batch: what is measured on a batch stays, its images don't."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor

from causalimg.graph import Graph
from causalimg.mechanisms import Mechanism

BATCH = 64


class Answering(Protocol):
    """All that evaluation needs of a model, so that others than ours can be judged too."""

    @property
    def graph(self) -> Graph:
        """What causes what."""
        ...

    @property
    def guided_by(self) -> Sequence[str]:
        """The fingerprints of the readers that guided it."""
        ...

    def do(self, x: Any, /, **interventions: Any) -> Mapping[str, Tensor]:
        """The counterfactual worlds of the factual ones in `x`."""
        ...


class Asked(NamedTuple):
    """A batch of one question: the worlds `before` and `after` ``do(name=...)`` of the items in `rows`."""

    model: Answering
    name: str
    rows: slice
    before: dict[str, Tensor]
    after: Mapping[str, Tensor]

    @property
    def image(self) -> str:
        """The image that shows the variable which was set."""
        return self.model.graph.image_of(self.name)


Measure = Callable[[Asked], dict[str, Tensor]]
"""What is kept of a batch, by name: tensors on the CPU whose first dimension counts its items."""

Found = dict[str, dict[str, Tensor]]
"""By measure, what it kept of all items."""


@torch.no_grad()
def ask(
    model: Answering, values: Mapping[str, Tensor], targets: Mapping[str, Tensor], measures: Mapping[str, Measure]
) -> dict[str, Found]:
    """What `measures` find under ``do(name=target)``, for each of `targets`; an image is encoded once for all of them."""
    n = len(next(iter(targets.values())))
    parts: dict[str, list[Found]] = {name: [] for name in targets}
    for start in range(0, n, BATCH):
        rows = slice(start, start + BATCH)
        before = {name: value[rows] for name, value in values.items()}
        known = encoded(model, before)
        for name, target in targets.items():
            asked = Asked(model, name, rows, before, model.do(known, **{name: target[rows]}))
            parts[name].append({key: measure(asked) for key, measure in measures.items()})
    return {name: {key: _joined([part[key] for part in found]) for key in measures} for name, found in parts.items()}


def encoded(model: Answering, values: Mapping[str, Tensor]) -> Any:
    """`values` as `model` answers questions about them fastest: abducted, if it can do that apart from answering."""
    abduct = getattr(model, "abduct", None)
    return values if abduct is None else abduct(values)


def mechanisms_of(models: Sequence[Answering], name: str) -> list[Mechanism]:
    """The mechanism of a variable in each of `models`; none, unless all have one to show."""
    known: list[Mapping[str, Mechanism]] = [getattr(model, "mechanisms", {}) for model in models]
    return [mechanisms[name] for mechanisms in known] if all(name in mechanisms for mechanisms in known) else []


def _joined(parts: Sequence[Mapping[str, Tensor]]) -> dict[str, Tensor]:
    return {key: torch.cat([part[key] for part in parts]) for key in parts[0]}
