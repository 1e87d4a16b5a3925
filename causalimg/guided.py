"""A model whose answers meet what was asked, by the reading of a guide: nothing is trained.

A weight of a cause (see `Weighted`) that is right on average is too small for one image and too large for another. Here it is
found for every question: the model is asked under several weights, the guide reads the answers softly, and the weight is taken at
which its reading has moved as far as was asked, by interpolation. One more answer, under that weight, is given.
"""

from collections.abc import Mapping
from typing import Any, cast

import torch
from torch import Tensor

from causalimg.counterfactual import Counterfactual
from causalimg.graph import Continuous, Graph
from causalimg.mechanisms import Mechanism, Weighted
from causalimg.mechanisms.mechanism import weighted_of
from causalimg.model import CausalModel
from causalimg.readers.reader import Reader, fingerprint
from causalimg.region import Region, Where
from causalimg.scm import Factual
from causalimg.values import World

TRIED = (0.0, 0.5, 1.0, 2.0, 4.0)
"""Weights that are tried, in terms of the mechanism's own."""


class Guided:
    """`model`, asked under the weights at which `reader` reads what was asked for.

    ``Guided(model, segmentor).do(x, lv_area=900.0)``. The reader counts as a guide: it may not judge. Raises ValueError where it
    reads no number that a mechanism with weights follows.
    """

    def __init__(self, model: CausalModel, reader: Reader) -> None:
        self.model, self.reader = model, reader
        self.names = [name for name in reader.can_read(model.graph) if self._follows(name)]
        if not self.names:
            raise ValueError(
                f"{reader.describe()} reads no number that a mechanism with weights (see Weighted) follows"
            )

    def _follows(self, name: str) -> bool:
        weighted = weighted_of(self.mechanisms[self.graph.image_of(name)])
        return weighted is not None and name in weighted.parents and isinstance(self.graph[name], Continuous)

    @property
    def graph(self) -> Graph:
        """What causes what."""
        return self.model.graph

    @property
    def mechanisms(self) -> Mapping[str, Mechanism]:
        """Those of the model."""
        return self.model.mechanisms

    @property
    def guided_by(self) -> list[str]:
        """The fingerprints of who guided the model, and of the reader."""
        return [*self.model.guided_by, fingerprint(self.reader)]

    def abduct(self, x: Any, /, *, seed: int = 0) -> Factual:
        """See `CausalModel.abduct`."""
        return self.model.abduct(x, seed=seed)

    def do(self, x: Any, /, *, seed: int = 0, region: Where = Region(), **interventions: Any) -> Counterfactual:
        """See `CausalModel.do`. Costs an answer for each of `TRIED`, and one more."""
        factual = x if isinstance(x, Factual) else self.abduct(x, seed=seed)
        action = self.model.act(factual, **interventions)
        self.model.check_answerable(factual, action)
        return self.model.predict(factual, action, region=region, weights=self._weights(factual, action, region))

    @torch.no_grad()
    def _weights(self, factual: Factual, action: World, region: Where) -> dict[str, float | Tensor]:
        """By parent, the weight of every row, (n,)."""
        names = [n for n in self.names if n in action or n in self.graph.descendants(*action)]
        if not names:
            return {}
        own = {name: self._own(name) for name in names}
        answers = [
            self.model.propagate(factual, action, region, {name: share * own[name] for name in names})
            for share in TRIED
        ]
        was, read = self._read(factual.values, names), [self._read(world, names) for world in answers]
        level = {name: was[name] + answers[0][name] - factual.values[name] for name in names}
        shares = torch.tensor(TRIED, device=factual.values[names[0]].device)
        return {n: own[n] * crossing(shares, torch.stack([each[n] for each in read], dim=1), level[n]) for n in names}

    def _read(self, world: World, names: list[str]) -> World:
        """The soft readings of `names`, each off its image."""
        reader, found = self.reader.to(self.model.device), World()
        for image in {self.graph.image_of(name) for name in names}:
            here = [name for name in names if self.graph.image_of(name) == image]
            found |= reader.read(world[image], self.graph, here, soft=True)
        return found

    def _own(self, name: str) -> float:
        mechanism = cast(Weighted, weighted_of(self.mechanisms[self.graph.image_of(name)]))
        return float(mechanism.weights[list(mechanism.parents).index(name)])


def crossing(x: Tensor, y: Tensor, level: Tensor) -> Tensor:
    """Where y (rows, points) first comes to `level` (rows,), by linear interpolation in x (points,).

    Where it does not, the point of x at which it is nearest, but for the first: no question asks to do nothing.
    """
    gap = y - level[:, None]
    crossed = gap[:, :-1] * gap[:, 1:] <= 0
    first = crossed.float().argmax(1, keepdim=True)
    left, right = gap.gather(1, first), gap.gather(1, first + 1)
    share = torch.where(left == right, 0.0, left / (left - right))
    between = torch.lerp(x[first], x[first + 1], share)
    nearest = x[1 + gap[:, 1:].abs().argmin(1, keepdim=True)]
    return torch.where(crossed.any(1, keepdim=True), between, nearest)[:, 0]
