"""Classifiers: readers that read levels straight off an image."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Self

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, log_softmax

from causalimg.errors import check_given, check_known, located
from causalimg.graph import Categorical, Graph
from causalimg.readers.networks import CNN
from causalimg.readers.neural import NeuralReader, check_dims, stacked
from causalimg.readers.scores import Scores, level_scores
from causalimg.values import by_name, numbers


class Classifier(NeuralReader):
    """Reads the categorical variables named in `levels`, each with its levels.

    The network gives logits (n, all levels of the first variable, then of the next, ...). `fit` and `assess` take, by
    variable, levels by name or as a tensor of indices of shape (n,).
    """

    levels: dict[str, tuple[str, ...]] = Field(min_length=1)

    def __init__(self, network: nn.Module | Mapping[str, Any], **settings: Any) -> None:
        super().__init__(network, **settings)
        for name, levels in self.levels.items():
            with located(name):
                Categorical(levels=levels)  # knows which levels won't do

    @classmethod
    def cnn(cls, levels: Mapping[str, Sequence[str]], **settings: Any) -> Self:
        """A classifier to be trained: a `CNN` with these `settings` (channels, encoder, width, seed)."""
        cls._settings(levels=levels)  # what is wrong with them, before their number goes into a network
        outputs = sum(len(each) for each in levels.values())
        return cls(CNN(outputs=outputs, **settings), levels=levels)

    def can_read(self, graph: Graph) -> tuple[str, ...]:
        """The categorical variables of `graph` that it knows by name. Raises ValueError where the levels differ."""
        found = {name: v for name, v in graph.variables.items() if name in self.levels and isinstance(v, Categorical)}
        for name, variable in found.items():
            if variable.levels != self.levels[name]:
                expected = f"the levels {self.levels[name]}, in this order"
                raise ValueError(f"{name}: the classifier knows {expected}; the graph has {variable.levels}")
        return tuple(found)

    def read(self, images: Tensor, graph: Graph, names: Iterable[str], *, soft: bool = False) -> dict[str, Tensor]:
        """Each variable's level, int64 (n,); soft: log-probabilities (n, levels). Raises ValueError on another name."""
        names = self.readable(graph, names)
        logits = self._by_variable(self.network(images) if soft else self.outputs(images))
        return {name: log_softmax(logits[name], dim=1) if soft else logits[name].argmax(1) for name in names}

    def targets(self, labels: Any) -> Tensor:
        """Levels' indices (n, variables)."""
        given = by_name("labels", labels, f"levels by name, of {', '.join(self.levels)}")
        check_known("variable", given.keys(), self.levels)
        check_given("column of labels", self.levels, given.keys())
        return stacked({name: _indices(name, given[name], levels) for name, levels in self.levels.items()}, "n")

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        logits = self._by_variable(outputs).values()
        return torch.stack([cross_entropy(each, targets[:, k]) for k, each in enumerate(logits)]).sum()

    def scores(self, outputs: Tensor, targets: Tensor) -> dict[str, Scores]:
        logits = self._by_variable(outputs)
        return {name: level_scores(each.argmax(1), targets[:, k]) for k, (name, each) in enumerate(logits.items())}

    def _by_variable(self, outputs: Tensor) -> dict[str, Tensor]:
        parts = outputs.split([len(levels) for levels in self.levels.values()], dim=1)
        return dict(zip(self.levels, parts, strict=True))


def _indices(name: str, values: Tensor | Sequence[str], levels: tuple[str, ...]) -> Tensor:
    """Levels as int64 indices of shape (n,). Raises ValueError on what is no level, with the nearest."""
    variable = Categorical(levels=levels)
    indices = numbers(name, variable.encode(name, values), variable.allowed)
    check_dims(name, indices, "n")
    if wrong := variable.outside(indices).nonzero().flatten().tolist():
        raise ValueError(f"{name}: row {wrong[0]} is {indices[wrong[0]].item():g}, not {variable.allowed}")
    return indices.long()
