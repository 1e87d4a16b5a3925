"""A deep structural causal model: a graph and a mechanism for each of its variables.

*Deep Structural Causal Models for Tractable Counterfactual Inference* (Pawlowski et al., NeurIPS 2020, arXiv:2006.06485).
A counterfactual takes three steps, each a function of its own::

    abduction   u  = the noise that explains what was seen
    action      a  = the values that the intervention sets
    prediction  v' = f(pa', u) for the effects of what was set; all else keeps its value exactly
"""

from collections.abc import Callable, Mapping
from copy import copy

import torch
from torch import Generator, Tensor, nn

from causalimg.draws import Draws
from causalimg.errors import check_known
from causalimg.graph import Graph
from causalimg.mechanisms.mechanism import Mechanism, Noise, Options, Pull, Seen, Weights, guidable_of
from causalimg.propagation import propagate
from causalimg.region import Region, Where, as_mask
from causalimg.values import World, count_rows, in_batches, widen

Outline = Callable[[Tensor, str], World]
"""From images (n, channels, height, width), and the name of their variable, to structures by name, bool, (n, height, width)."""

BATCH = 64
"""So many images are outlined at once."""

Pulls = Callable[[str, World, World, Tensor | None], Pull | None]
"""Who guides an image: from its name, what was seen, the values of its parents, and its region, to what pulls it, if anything."""


class Factual:
    """What was seen of `n` items, and the noise that explains it: abducted when an answer first needs it, and kept.

    `values`: every variable, (n, ...). `single`: it was one item, without a batch dimension. What abduction leaves open is drawn
    as `draws` say, by default once for each item; or the noise of a variable is given as `noise`. `outline` finds the structures
    of images, which say where an answer may change; without it, an answer may change everywhere.
    """

    def __init__(
        self,
        scm: "SCM",
        values: World,
        noise: Mapping[str, Noise] | None = None,
        *,
        outline: Outline | None = None,
        single: bool = False,
        draws: Draws | None = None,
    ) -> None:
        self.scm, self.values, self.single = scm, values, single
        self.draws = Draws.of(values) if draws is None else draws
        self._noise, self._outline = dict(noise or {}), outline
        self._outlines: dict[str, World] = {}
        self._items: dict[int, Factual] = {}

    @property
    def n(self) -> int:
        """How many items."""
        return max(map(len, self.values.values()), default=0)

    def seen(self, name: str) -> Seen:
        """The value of a variable and of its parents."""
        return Seen(self.values[name], self.scm.parents(self.values, name))

    @torch.no_grad()
    def noise(self, name: str) -> Noise:
        """The noise of a variable, (n, ...); of one item with several draws, as many rows."""
        if name not in self._noise:
            mechanism = self.scm.mechanisms[name]
            self._noise[name] = mechanism.abduct(*self.seen(name), self.draws.prior(mechanism, name))
        return self._noise[name]

    def with_noise(self, noise: Mapping[str, Noise]) -> "Factual":
        """The same, with this `noise` of some variables."""
        made = copy(self)
        made._noise, made._items = self._noise | dict(noise), {}
        return made

    def item(self, i: int) -> "Factual":
        """Item `i` by itself, with all its draws. It is kept: what was abducted for one question serves the next."""
        if i not in self._items:
            values = {name: value[i : i + 1] for name, value in self.values.items()}
            self._items[i] = Factual(self.scm, values, outline=self._outline, draws=self.draws.one(i))
        return self._items[i]

    def outlines(self, image: str) -> World:
        """The structures of an image, (n, height, width), bool, by name: found when an answer first needs them, and kept."""
        if image not in self._outlines:
            outline = self._outline or (lambda images, name: {})
            self._outlines[image] = in_batches(lambda images: outline(images, image), self.values[image], BATCH)
        return self._outlines[image]


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

    def propagate(
        self,
        factual: Factual,
        action: World,
        region: Where = Region(),
        weights: Weights | None = None,
        pulls: Pulls | None = None,
    ) -> World:
        """The world under `action`, of `factual.n` rows or, for one factual item, of as many as `action` has.

        Only effects of what was set are predicted anew, from the noise of the factual items as it is; images within `region`, and
        by other `weights` than their mechanisms' own, and under `pulls` (see `Guidable`). Raises ValueError for a region that
        won't do, and for weights of what no such mechanism follows.
        """
        was, given = self._wide(factual, action)
        checked = self._weights(weights or {}, was)

        def predict(name: str, parents: World) -> Tensor:
            mask = self._mask(factual, name, parents, region)
            own = {parent: weight for parent, weight in checked.items() if parent in parents}
            pull = pulls(name, factual.values, parents, mask) if pulls and name in self.graph.images else None
            return self._answer(factual, name, parents, Options(mask, own, pull))

        return propagate(self.graph, was, given, predict)

    @torch.no_grad()
    def paths(self, factual: Factual, action: World, region: Where = Region()) -> tuple[World, World, World]:
        """The world under `action`, and those in which only the edges from what was set carry it, and only all else.

        Where a variable's parents are a, set, and m, the others::

            total      f(a', m', u)        direct      f(a', m, u)        indirect      f(a, m', u)

        What lies within a mechanism, between parents and value, is one of the others (see `Mediated`).
        """
        was, given = self._wide(factual, action)
        total = self.propagate(factual, action, region)
        effects = self.graph.descendants(*action) - action.keys()
        masks = {name: self._mask(factual, name, self.parents(total, name), region) for name in effects}

        def carried(edges: World, others: World) -> World:
            def predict(name: str, _: World) -> Tensor:
                between = self.parents(others, name)
                if not between.keys() & given.keys():
                    return others[name]  # no edge from what is set: the others make it what it is
                parents = between | {cause: edges[cause] for cause in between if cause in given}
                return self._answer(factual, name, parents, Options(masks[name], through=between))

            return propagate(self.graph, was, given, predict)

        return total, carried(given, was), carried(was, total)

    def _wide(self, factual: Factual, action: World) -> tuple[World, World]:
        """What was seen, and what is set, in as many rows as are asked for."""
        n = max([factual.n, *map(len, action.values())]) if factual.n else 0
        was, given = ({name: widen(value, n) for name, value in world.items()} for world in (factual.values, action))
        return was, given

    def _answer(self, factual: Factual, name: str, parents: World, options: Options) -> Tensor:
        return self.mechanisms[name].counterfactual(factual.noise(name), parents, factual.seen(name), options)

    def _weights(self, given: Weights, seen: World) -> dict[str, Tensor]:
        """`given`, checked: by parent, one for all or one for each row of what was `seen`."""
        n, device = count_rows(seen), next(iter(seen.values())).device
        followed = [name for m in self.mechanisms.values() if guidable_of(m) for name in m.parents]
        check_known("parent of a mechanism with weights", given, followed)
        weights = {name: torch.as_tensor(w, dtype=torch.float32, device=device) for name, w in given.items()}
        for name, weight in weights.items():
            if weight.shape not in ((), (1,), (n,)) or not weight.isfinite().all():
                shape = tuple(weight.shape)
                raise ValueError(
                    f"weights of {name}: expected a finite number, or {n} of them, got {shape}: {given[name]}"
                )
        return weights

    def _mask(self, factual: Factual, name: str, parents: World, region: Where) -> Tensor | None:
        if region is None or name not in self.graph.images:
            return None
        value, before = factual.seen(name)
        rows = max(map(len, parents.values()), default=len(value))
        if not isinstance(region, Region | str):
            return as_mask(region, value.shape[1:], rows, value.device)
        near = region if isinstance(region, Region) else Region(structures=(region,))
        return near.mask(self.graph, name, value, dict(before), parents, lambda: factual.outlines(name))

    @torch.no_grad()
    def draw(self, n: int, action: World, seed: int = 0) -> World:
        """`n` samples of the observational (no action) or the interventional distribution."""
        given, generator = {name: widen(value, n) for name, value in action.items()}, Generator().manual_seed(seed)

        def draw(name: str, parents: World) -> Tensor:
            return self.mechanisms[name].predict(self.mechanisms[name].noise(n, generator), parents)

        return propagate(self.graph, {}, given, draw)
