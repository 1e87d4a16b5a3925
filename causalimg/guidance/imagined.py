"""What fine-tuning imagines in a step: the counterfactuals of a batch, beside what was."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import cast

import torch
from torch import Tensor

from causalimg.graph import Graph, Image, Outlined
from causalimg.readers import Reader
from causalimg.values import World

Readings = Callable[[Reader], World]
"""From a reader to what it reads, by variable: (n,), or log-probabilities (n, levels)."""


@dataclass(frozen=True, eq=False)
class Imagined:
    """Counterfactuals of n items: what a term of the guidance is a function of.

    `name`: the image variable. `image`: x', (n, channels, height, width), differentiable. `factual`: every variable as it was,
    the image too. `world`: the other variables under the interventions. `moved`: by variable, the rows (n,), bool, where it was
    set or follows from what was. `before`: outlines of the factual image by structure, (n, height, width), bool; none without a
    segmentor. `spread`: by variable, its standard deviation in the training data, 0-d (1 for levels).

    `readings(reader)` are a guide's soft readings of x', under the guide's view; `held(reader)`, those of x. `losses()` are the
    losses of `fit` of x and of x', per dimension, with the same draws: (n,) each.
    """

    graph: Graph
    name: str
    image: Tensor
    factual: Mapping[str, Tensor]
    world: World
    moved: World
    before: World
    spread: World
    outline: Callable[[Tensor], World]
    readings: Readings
    held: Readings
    losses: Callable[[], tuple[Tensor, Tensor]]

    @property
    def was(self) -> Tensor:
        """x, the factual image."""
        return self.factual[self.name]

    @property
    def span(self) -> float:
        """The grey range, from the lower to the upper bound."""
        low, high = cast(tuple[float, float], cast(Image, self.graph[self.name]).bounds)
        return high - low

    @cached_property
    def change(self) -> Tensor:
        """|x' - x| as a share of the grey range, (n, channels, height, width)."""
        return (self.image - self.was).abs() / self.span

    @cached_property
    def after(self) -> World:
        """Outlines of the counterfactual image, like `before`."""
        return self.outline(self.image.detach())

    def region(self) -> Tensor:
        """Where what moved is measured, before or after: (n, height, width), bool."""
        found = torch.zeros_like(self.was[:, 0], dtype=torch.bool)
        for name, quantity in self.graph.measured.items():
            if name in self.moved and set(quantity.structures) <= self.before.keys():
                before = quantity.region(Outlined(self.before, self.was))
                after = quantity.region(Outlined(self.after, self.was))
                found = found | (self.moved[name][:, None, None] & (before | after))
        return found
