"""A deep structural causal model: a graph and a mechanism for each of its variables.

*Deep Structural Causal Models for Tractable Counterfactual Inference* (Pawlowski et al., NeurIPS 2020, arXiv:2006.06485).
A counterfactual takes three steps, each a function of its own::

    abduction   u  = the noise that explains what was seen
    action      a  = the values that the intervention sets
    prediction  v' = f(pa', u) for the effects of what was set; all else keeps its value exactly
"""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

import torch
from torch import Tensor, nn

from causalimg.graph import Graph
from causalimg.mechanisms.mechanism import Mechanism, Noise
from causalimg.values import World, widen


class Factual(NamedTuple):
    """What was seen, and the noise that explains it. `single`: it was one item, without a batch dimension."""

    values: World
    noise: dict[str, Noise]
    single: bool = False

    @property
    def n(self) -> int:
        """The number of items."""
        return len(next(iter(self.values.values())))

    def widened(self, n: int) -> "Factual":
        """One item asked `n` questions: its values and noise repeated, without a copy."""
        noise = {name: _each(u, n) for name, u in self.noise.items()}
        return Factual({name: widen(value, n) for name, value in self.values.items()}, noise, False)


def _each(u: Noise, n: int) -> Noise:
    return widen(u, n) if isinstance(u, Tensor) else {key: widen(part, n) for key, part in u.items()}


class SCM(nn.Module):
    """`mechanisms`, bound and by name, one for each variable of `graph`."""

    def __init__(self, graph: Graph, mechanisms: Mapping[str, Mechanism]) -> None:
        super().__init__()
        self.graph = graph
        self.mechanisms = {name: mechanisms[name] for name in graph}
        # registered by position: a variable may be called "type" or "half"
        self._registered = nn.ModuleList(self.mechanisms.values())

    def parents(self, values: Mapping[str, Tensor], name: str) -> World:
        """The values of the parents of `name`."""
        return {parent: values[parent] for parent in self.graph.parents(name)}

    def explain(self, values: World, names: Iterable[str] | None = None) -> dict[str, Noise]:
        """The noise of every variable (or of `names`), given all values."""
        wanted = self.graph if names is None else names
        return {name: self.mechanisms[name].abduct(values[name], self.parents(values, name)).u for name in wanted}

    def propagate(self, factual: Factual, action: World) -> World:
        """The world under `action`. Only effects of what was set are predicted anew."""
        moved = self.graph.descendants(*action)
        world: World = {}
        for name in self.graph:
            if name in action:
                world[name] = action[name]
            elif name in moved:
                world[name] = self.mechanisms[name].predict(factual.noise[name], self.parents(world, name))
            else:
                world[name] = factual.values[name]
        return world

    @torch.no_grad()
    def draw(self, n: int, action: World) -> World:
        """`n` samples of the observational (no action) or the interventional distribution."""
        world: World = {}
        for name, mechanism in self.mechanisms.items():
            if name in action:
                world[name] = widen(action[name], n, len(self.graph[name].value_shape))
            else:
                world[name] = mechanism.predict(mechanism.noise(n), self.parents(world, name))
        return world
