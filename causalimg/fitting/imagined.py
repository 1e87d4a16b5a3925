"""What fine-tuning imagines in a step: the counterfactuals of a batch, beside what was."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from causalimg.graph import Graph, Outlined
from causalimg.values import World


@dataclass(frozen=True, eq=False)
class Imagined:
    """Counterfactuals of n items: what guidance of your own is a function of.

    `image`: x', (n, channels, height, width), differentiable. `factual`: every variable as it was, the image too. `world`:
    the other variables under the interventions. `moved`: by variable, the rows (n,), bool, where it was set or follows from
    what was. `before`: outlines of the factual image by structure, (n, height, width), bool; none without a segmentor.
    """

    graph: Graph
    name: str
    image: Tensor
    factual: Mapping[str, Tensor]
    world: World
    moved: World
    before: World
    outline: Callable[[Tensor], World]

    @property
    def was(self) -> Tensor:
        """x, the factual image."""
        return self.factual[self.name]

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
