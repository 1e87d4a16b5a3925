"""Regressors: readers that read numbers straight off an image."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Self

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn.functional import mse_loss

from causalimg.errors import check_given, check_known
from causalimg.graph import Continuous, Graph
from causalimg.readers.augment import Augment
from causalimg.readers.networks import CNN
from causalimg.readers.neural import NeuralReader, check_distinct, stacked
from causalimg.readers.scores import Scores, number_scores
from causalimg.values import by_name, numbers


class Regressor(NeuralReader):
    """Reads the continuous `variables`.

    The network gives numbers (n, variables): in units of `scale` from `mean`, which `fit` takes from the training data;
    natural units before that. `fit` and `assess` take values by variable, each of shape (n,).
    """

    augment = Augment(scale=0)
    variables: tuple[str, ...] = Field(min_length=1)

    def __init__(self, network: nn.Module | Mapping[str, Any], **settings: Any) -> None:
        super().__init__(network, **settings)
        check_distinct("variable", self.variables)
        self.mean = nn.Buffer(torch.zeros(len(self.variables)))
        self.scale = nn.Buffer(torch.ones(len(self.variables)))

    @classmethod
    def cnn(cls, variables: Sequence[str], **settings: Any) -> Self:
        """A regressor to be trained: a `CNN` with these `settings` (channels, encoder, width, seed)."""
        cls._settings(variables=variables)  # what is wrong with them, before their number goes into a network
        return cls(CNN(outputs=len(variables), **settings), variables=variables)

    def can_read(self, graph: Graph) -> tuple[str, ...]:
        """The continuous variables of `graph` that it knows by name."""
        return tuple(name for name in self.variables if name in graph and isinstance(graph[name], Continuous))

    def read(self, images: Tensor, graph: Graph, names: Iterable[str], *, soft: bool = False) -> dict[str, Tensor]:
        """Each variable, shape (n,), in natural units; soft: differentiable. Raises ValueError on another name."""
        names = self.readable(graph, names)
        values = self._natural(self.network(images) if soft else self.outputs(images))
        return {name: values[:, self.variables.index(name)] for name in names}

    def targets(self, labels: Any) -> Tensor:
        """Numbers (n, variables)."""
        given = by_name("labels", labels, f"numbers by name, of {', '.join(self.variables)}")
        check_known("variable", given.keys(), self.variables)
        check_given("column of labels", self.variables, given.keys())
        columns = {name: numbers(name, given[name]).float() for name in self.variables}
        for name, column in columns.items():
            if len(wrong := (~column.isfinite()).nonzero()):
                raise ValueError(f"{name}: row {int(wrong[0])} is {column[wrong[0]].item():g}, not a number")
        return stacked(columns, "n")

    def prepare(self, targets: Tensor) -> None:
        """Fit the standardisation."""
        self.mean.copy_(targets.mean(0))
        self.scale.copy_(targets.std(0, correction=0).clamp(min=1e-6))

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        return mse_loss(outputs, (targets - self.mean) / self.scale)

    def scores(self, outputs: Tensor, targets: Tensor) -> dict[str, Scores]:
        read = self._natural(outputs)
        return {name: number_scores(read[:, k], targets[:, k]) for k, name in enumerate(self.variables)}

    def _natural(self, outputs: Tensor) -> Tensor:
        return self.mean + self.scale * outputs
