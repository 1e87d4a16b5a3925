"""A deep structural causal model: a graph and a mechanism for each of its variables.

*Deep Structural Causal Models for Tractable Counterfactual Inference* (Pawlowski et al., NeurIPS 2020, arXiv:2006.06485).
A counterfactual takes three steps, each a function of its own::

    abduction   u  = the noise that explains what was seen
    action      a  = the values that the intervention sets
    prediction  v' = f(pa', u) for the effects of what was set; all else keeps its value exactly
"""

from collections.abc import Callable, Mapping
from copy import copy
from typing import Any

import torch
from torch import Generator, Tensor, nn

from causalimg.draws import Draws, middle
from causalimg.errors import as_seed, check_known, whole
from causalimg.graph import Graph
from causalimg.mechanisms.mechanism import Mechanism, Noise, Options, Pull, Seen, Weights, guidable_of
from causalimg.propagation import propagate
from causalimg.region import Region, Where, as_mask
from causalimg.values import World, by_name, in_batches, leaves, map_tensors, numbers, widen

Outline = Callable[[Tensor, str], World]
"""From images (n, channels, height, width), and the name of their variable, to structures by name, bool, (n, height, width)."""

BATCH = 64
"""So many images are outlined at once."""

MOST = 10**8
"""So many samples at a time: to ask for more is most likely a slip, and no memory would hold as many images."""

Adjust = Callable[["Rows", World], "Factual"]
"""From what was seen and what is set, row by row, to what was seen with other noise."""

Pulls = Callable[[str, World, World, Tensor | None], Pull | None]
"""Who guides an image: from its name, what was seen, the values of its parents, and its region, to what pulls it, if anything."""


class Factual:
    """What was seen of `n` items, and the noise that explains it: abducted when an answer first needs it, and kept.

    `values`: every variable, (n, ...). `single`: it was one item, without a batch dimension. What abduction leaves open is drawn
    as `draws` say, by default once for each item; or the noise of a variable is given as `noise`. `outline` finds the structures
    of images, which say where an answer may change; without it, an answer may change everywhere. `drawn`: facts that nobody knew
    (see `unknown`), (n * particles,) by variable, item by item; their `values` are the middle of their draws.
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
        drawn: World | None = None,
    ) -> None:
        self.scm, self.single, self.drawn = scm, single, dict(drawn or {})
        self.draws = Draws.of(values) if draws is None else draws
        middles = {name: middle(value.unflatten(0, (-1, self.draws.particles))) for name, value in self.drawn.items()}
        self.values = {name: (values | middles)[name] for name in scm.graph} if middles else values
        self._noise, self._outline = dict(noise or {}), outline
        self._outlines: dict[str, World] = {}

    @property
    def n(self) -> int:
        """How many items."""
        return max(map(len, self.values.values()), default=0)

    def seen(self, name: str) -> Seen:
        """The value of a variable and of its parents."""
        return Seen(self.values[name], self.scm.parents(self.values, name))

    @torch.no_grad()
    def noise(self, name: str) -> Noise:
        """The noise of a variable, (n * particles, ...), item by item; of one item it may be one row that serves all draws."""
        if name not in self._noise:
            mechanism = self.scm.mechanisms[name]
            parents = {parent: self.by_draw(parent) for parent in self.scm.graph.parents(name)}
            seen = _even(Seen(self.by_draw(name), parents))
            self._noise[name] = mechanism.abduct(*seen, self.draws.prior(mechanism, name))
        return self._noise[name]

    def by_draw(self, name: str) -> Tensor:
        """A variable with a row for each draw of each item; of one item, with one for all, unless it was drawn itself."""
        return self.drawn[name] if name in self.drawn else self._repeated(self.values[name])

    def _repeated(self, value: Tensor) -> Tensor:
        """A row for each item as one for each draw of it; one row stays one."""
        particles = self.draws.particles
        return value if self.n == 1 or particles == 1 else value.repeat_interleave(particles, dim=0)

    def with_noise(self, noise: Mapping[str, Noise]) -> "Factual":
        """The same, with this `noise` of some variables."""
        made = copy(self)
        made._noise = self._noise | dict(noise)
        return made

    def outlines(self, image: str) -> World:
        """The structures of an image, (n, height, width), bool, by name: found when an answer first needs them, and kept."""
        if image not in self._outlines:
            outline = self._outline or (lambda images, name: {})
            self._outlines[image] = in_batches(lambda images: outline(images, image), self.values[image], BATCH)
        return self._outlines[image]


class Rows(Factual):
    """What was seen, `whole`, with a row for each draw of each of so many `questions`, question by question.

    One item is asked many questions, or each item one. What is abducted or outlined is that of `whole`, and kept there.
    """

    def __init__(self, whole: Factual, questions: int) -> None:
        self.whole, self.questions, self.particles = whole, questions, whole.draws.particles
        values = {name: self._per_draw(whole.by_draw(name)) for name in whole.values}
        super().__init__(whole.scm, values, draws=whole.draws)

    def noise(self, name: str) -> Noise:
        """The noise of a variable, a row for each of these, or one for all."""
        if name in self._noise:
            return self._noise[name]
        return map_tensors(self._per_draw, self.whole.noise(name))

    def _per_draw(self, value: Tensor) -> Tensor:
        """What has a row for each draw of the items, or one for all, likewise for each of these."""
        if self.whole.n > 1 or self.questions == 1 or self.particles == 1 or len(value) == 1:
            return value
        return value.repeat(self.questions, *(1,) * (value.ndim - 1))

    def outlines(self, image: str) -> World:
        """The structures of an image, likewise."""
        return {name: self.whole._repeated(mask) for name, mask in self.whole.outlines(image).items()}

    def per_question(self, value: Tensor) -> Tensor:
        """A row for each question, or one for all, as a row for each of these, or one."""
        return value if len(value) == 1 else value.repeat_interleave(self.particles, dim=0)

    def numbers(self, what: str, given: Any) -> Tensor:
        """`given`, a number for all or one for each question, likewise; `what` says of what it is.

        Raises TypeError for what is no number, ValueError for what is not finite, and for other than so many.
        """
        allowed = f"a finite number, or {self.questions} of them"
        found = numbers(what, given, allowed)
        if found.shape not in ((), (1,), (self.questions,)) or not found.isfinite().all():
            raise ValueError(f"{what}: expected {allowed}, got {tuple(found.shape)}: {given}")
        return self.per_question(found) if found.ndim else found


def _even(seen: Seen) -> Seen:
    """What was seen with as many rows of each as of any: of one item, parents that were drawn have more than the value."""
    lengths = {len(value) for _, value in leaves(seen)}
    n = 0 if 0 in lengths else max(lengths)
    return map_tensors(lambda value: widen(value, n), seen)


def check_precision(module: nn.Module) -> None:
    """Raise ValueError where `module` or torch itself is not set to float32, in which values are."""
    kinds = (parameter.dtype for parameter in module.parameters())
    if torch.float32 not in kinds and (found := {parameter.dtype for parameter in module.parameters()}):
        raise ValueError(
            f"the model's weights are {', '.join(map(str, found))}: values are float32, call model.float()"
        )
    if torch.get_default_dtype() != torch.float32:
        raise ValueError(
            f"torch makes {torch.get_default_dtype()} by default: values are float32, call torch.set_default_dtype(torch.float32)"
        )


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
        adjust: Adjust = lambda factual, action: factual,
    ) -> World:
        """The world under `action`: of `factual.n` items or, for one item, of as many questions as `action` has; with a row for
        each draw of each, question by question.

        Only effects of what was set are predicted anew, from the noise of the factual items as `adjust` leaves it; images within
        `region`, and by other `weights` than their mechanisms' own, and under `pulls` (see `Guidable`). Raises ValueError for a
        region that won't do, and for weights of what no such mechanism follows; TypeError for weights that are no numbers.
        """
        rows, was, given = self._in_rows(factual, action)
        checked = self._weights(weights or {}, rows)
        seen = adjust(rows, given)

        def predict(name: str, parents: World) -> Tensor:
            mask = self._mask(rows, name, parents, region)
            own = {parent: weight for parent, weight in checked.items() if parent in parents}
            pull = pulls(name, rows.values, parents, mask) if pulls and name in self.graph.images else None
            return self._answer(seen, name, parents, Options(mask, own, pull))

        return propagate(self.graph, was, given, predict)

    @torch.no_grad()
    def paths(self, factual: Factual, action: World, region: Where = Region()) -> tuple[World, World, World]:
        """The world under `action`, and those in which only the edges from what was set carry it, and only all else.

        Where a variable's parents are a, set, and m, the others::

            total      f(a', m', u)        direct      f(a', m, u)        indirect      f(a, m', u)

        What lies within a mechanism, between parents and value, is one of the others (see `Mediated`).
        """
        rows, was, given = self._in_rows(factual, action)
        total = self.propagate(factual, action, region)
        effects = self.graph.descendants(*action) - action.keys()
        masks = {name: self._mask(rows, name, self.parents(total, name), region) for name in effects}

        def carried(edges: World, others: World) -> World:
            def predict(name: str, _: World) -> Tensor:
                between = self.parents(others, name)
                if not between.keys() & given.keys():
                    return others[name]  # no edge from what is set: the others make it what it is
                parents = between | {cause: edges[cause] for cause in between if cause in given}
                return self._answer(rows, name, parents, Options(masks[name], through=between))

            return propagate(self.graph, was, given, predict)

        return total, carried(given, was), carried(was, total)

    def _in_rows(self, factual: Factual, action: World) -> tuple[Rows, World, World]:
        """What was seen, and what is set, in as many rows as are answered."""
        lengths = [factual.n, *map(len, action.values())]
        questions = max(lengths) if all(lengths) else 0
        rows = Rows(factual, questions)
        was = {name: widen(value, questions * rows.particles).clone() for name, value in rows.values.items()}
        given = {
            name: widen(value, questions).repeat_interleave(rows.particles, dim=0) for name, value in action.items()
        }
        return rows, was, given

    def _answer(self, factual: Factual, name: str, parents: World, options: Options) -> Tensor:
        return self.mechanisms[name].counterfactual(factual.noise(name), parents, _even(factual.seen(name)), options)

    def _weights(self, given: Weights, rows: Rows) -> dict[str, Tensor]:
        """`given`, checked: by parent, one for all, or one for each of the rows."""
        device = next(iter(rows.values.values())).device
        followed = [name for m in self.mechanisms.values() if guidable_of(m) for name in m.parents]
        names = by_name("weights", given, "numbers by name").keys()
        check_known("parent of a mechanism with weights", names, followed)
        return {name: rows.numbers(f"weights of {name}", given[name]).to(device, torch.float32) for name in names}

    def _mask(self, rows: Rows, name: str, parents: World, region: Where) -> Tensor | None:
        if region is None or name not in self.graph.images:
            return None
        value, before = rows.seen(name)
        if not isinstance(region, Region | str):
            return rows.per_question(as_mask(region, value.shape[1:], rows.questions, value.device))
        near = region if isinstance(region, Region) else Region(structures=(region,))
        return near.mask(self.graph, name, value, dict(before), parents, lambda: rows.outlines(name))

    @torch.no_grad()
    def draw(self, n: int, action: World, seed: int = 0) -> World:
        """`n` samples of the observational (no action) or the interventional distribution.

        Raises TypeError for `n` or a seed that is no whole number, ValueError for a negative `n`, or one above `MOST`.
        """
        n, generator = whole("n", n, 0, MOST), Generator().manual_seed(as_seed(seed))
        given = {name: widen(value, n) for name, value in action.items()}

        def draw(name: str, parents: World) -> Tensor:
            return self.mechanisms[name].predict(self.mechanisms[name].noise(n, generator), parents)

        return propagate(self.graph, {}, given, draw)
