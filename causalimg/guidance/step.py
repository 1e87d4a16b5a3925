"""A step of counterfactual fine-tuning: what is imagined, what it costs, and what is held.

*Segmentor-guided Counterfactual Fine-Tuning* (Xia et al., MICCAI 2025, arXiv:2509.24913), with the inequality that it states::

    min  Σ_k w_k L_k(x')    subject to    F(x, pa) ≤ c

x' is the counterfactual of x under an intervention drawn per row; L_k are the terms. F is the loss of `fit` per dimension on the
factual pair, and c its mean under the fitted model on the training rows, plus a tolerance. The constraint is there only where
fine-tuning trains what was fitted.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple, cast

import torch
from torch import Tensor, nn

from causalimg.errors import check_kind
from causalimg.fit import explained, loss_per_dimension, row_losses
from causalimg.graph import Graph, Image
from causalimg.guidance.bound import Bound, Constraint
from causalimg.guidance.imagined import Imagined
from causalimg.guidance.samplers import Drawn, Sampler
from causalimg.guidance.term import Term
from causalimg.guidance.view import View, jitter
from causalimg.mechanisms.mechanism import Mechanism, Noise, Options, Seen, temper
from causalimg.propagation import propagate_rows
from causalimg.readers import Reader
from causalimg.readers.reader_set import outlines, readers_of
from causalimg.region import Region
from causalimg.scm import SCM
from causalimg.stored import Stored
from causalimg.training.randomness import seeded
from causalimg.values import World, in_batches

BROKEN = 50.0
"""What an excess costs when weights are chosen: far more than guidance could gain by it."""

LOSS = "loss"

BATCH = 64
"""So many rows are looked at at once where nothing is trained."""


class Held(NamedTuple):
    """Rows of training, and what each is held to. First dimension everywhere: the rows.

    `values`: every variable as observed. `readings`: by guide, its soft answers on the factual image. `outlines`: by structure,
    bool; `changeable`, those near which answers may change. `fitted`: where there is a constraint, the loss of `fit` under the
    fitted mechanism, per dimension: (rows,). `noise`: that of the images, where it is abducted once, as nothing that it
    depends on is trained; else none.
    """

    values: World
    readings: tuple[World, ...]
    outlines: World
    changeable: World
    fitted: World
    noise: tuple[Noise, ...]


class Guides(nn.Module):
    """The readers that guide, what each of them reads off `image`, and how they see it.

    `outlining`: those whose outlines say where an answer may change, as in answers of the fine-tuned model.
    """

    def __init__(
        self, graph: Graph, image: str, terms: Sequence[Term], view: View, outlining: Sequence[Reader] = ()
    ) -> None:
        super().__init__()
        self.graph, self.view = graph, view
        self.bounds = cast(tuple[float, float], cast(Image, graph[image]).bounds)
        self.reads: dict[Reader, list[str]] = {}
        for reader, name in (pair for term in terms for pair in term.reads):
            names = self.reads.setdefault(reader, [])
            names += [name] * (name not in names)
        self.outlining = readers_of(graph, image, outlining)
        modules = [*self.reads, *outlining, *(module for term in terms for module in term.modules)]
        self.registered = nn.ModuleList(dict.fromkeys(modules))

    def factual(self, images: Tensor) -> tuple[World, ...]:
        """The soft answers of every guide on factual `images`."""
        return tuple(reader.read(images, self.graph, names, soft=True) for reader, names in self.reads.items())

    def counterfactual(self, reader: Reader, images: Tensor) -> World:
        """Soft readings under the view; without jitter of what a jitter would change."""
        if reader not in self.reads:
            raise ValueError(f"{reader.describe()} is asked for readings, but no term names it in `reads`")
        names, measured = self.reads[reader], self.graph.measured
        steady = [n for n in names if self.view.jitter and (n not in measured or measured[n].steady)]
        others = [n for n in names if n not in steady]
        found: World = {}
        if steady:
            found |= reader.read(jitter(images, self.view.jitter, *self.bounds), self.graph, steady, soft=True)
        return found | (reader.read(images, self.graph, others, soft=True) if others else {})

    @torch.no_grad()
    def outlines(self, images: Tensor) -> World:
        """Every structure that a guide outlines, (batch, height, width), bool; where several do, what any of them says."""
        return outlines(self.reads, images)

    def changeable(self, images: Tensor, image: str) -> World:
        """The structures near which answers may change, likewise."""
        return outlines(self.outlining, images)


class GuidedStep(nn.Module):
    """The terms on a batch's counterfactuals, and the constraint; what `train` minimises on batches of `Held`.

    Costs one encoder pass and two decoder passes of an HVAE.
    """

    def __init__(
        self,
        scm: SCM,
        image: str,
        terms: Sequence[Term],
        data: World,
        *,
        outlining: Sequence[Reader] = (),
        sampler: Sampler,
        view: View,
        bound: Bound | None,
    ) -> None:
        super().__init__()
        self.scm, self.image, self.terms, self.sampler, self.view = scm, image, terms, sampler, view
        self.mechanism = scm.mechanisms[image]
        self.guides = Guides(scm.graph, image, terms, view, outlining).to(data[image].device).eval()
        self.constraint = None if bound is None else Constraint(bound)
        self.others = [name for name in scm.graph if name != image and name not in scm.graph.descendants(image)]
        self.intervened = causes_read(scm.graph, image, terms)
        self.pixels = data[image][0].numel()
        self.read = list(dict.fromkeys(name for term in terms for _, name in term.reads))
        self.spreads = nn.Buffer(torch.stack([_spread(scm.graph, data, name) for name in self.read]))
        self.data = self.held(data)
        self.slack = 0.0 if bound is None else bound.tolerance * float(self.data.fitted[LOSS].mean().abs())

    @torch.no_grad()
    def held(self, values: World) -> Held:
        """`values`, with what each row is held to; the same at every call, whatever was drawn before."""
        with seeded(0, values[self.image].device):
            return self._held(values)

    def _held(self, values: World) -> Held:
        images = values[self.image]
        if isinstance(images, Stored):  # looked at batch by batch, when it is its turn
            return Held(values, (), {}, {}, self._fitted(values), ())
        readings = in_batches(self.guides.factual, images, BATCH)
        outlined = in_batches(self.guides.outlines, images, BATCH)
        changeable = in_batches(lambda part: self.guides.changeable(part, self.image), images, BATCH)
        return Held(values, readings, outlined, changeable, self._fitted(values), self._noise(values))

    def _fitted(self, values: World) -> World:
        return {} if self.constraint is None else {LOSS: row_losses(self.mechanism, self.image, values)}

    @torch.no_grad()
    def seen_by_all(self, batch: Held) -> Held:
        """`batch` with what guides see in it: of rows on disk that was not held."""
        if batch.readings:
            return batch
        images = batch.values[self.image]
        return batch._replace(
            readings=self.guides.factual(images),
            outlines=self.guides.outlines(images),
            changeable=self.guides.changeable(images, self.image),
        )

    def _noise(self, values: World) -> tuple[Noise, ...]:
        if self.constraint is not None or not self.mechanism.unwrapped.abducts_once:
            return ()
        family = {name: values[name] for name in (self.image, *self.mechanism.parents)}
        return (in_batches(lambda part: _abducted(self.mechanism, self._seen(part)), family, BATCH),)

    def _seen(self, values: World) -> Seen:
        return Seen(values[self.image], self.scm.parents(values, self.image))

    def forward(self, batch: Held) -> tuple[Tensor, dict[str, Tensor]]:
        batch = self.seen_by_all(batch)
        u, fitted = self.abduct(batch)
        imagined = self.imagine(batch, u)
        losses = {term.label: term.weight * self._mean(term, imagined) for term in self.terms}
        metrics = {label: loss.detach() for label, loss in losses.items()}
        if self.constraint is None or fitted is None:
            return torch.stack([*losses.values()]).sum(), metrics
        excess = (fitted - batch.fitted[LOSS]).mean() - self.slack
        if not self.training:  # validation: no multiplier follows, and weights that break the bound must not be chosen
            return torch.stack([*losses.values(), BROKEN * excess.clamp(min=0)]).sum(), {}
        loss = torch.stack([*losses.values(), self.constraint(excess)]).sum()
        violated = (excess > 0).float()
        held = {"F": fitted.mean(), "excess": excess, "λ": self.constraint.multiplier, "violated": violated}
        return loss, {name: value.detach() for name, value in held.items()} | metrics

    @staticmethod
    def _mean(term: Term, imagined: Imagined) -> Tensor:
        loss, n = term(imagined), len(imagined.image)
        if loss.shape != (n,):
            raise ValueError(f"{term.label}: expected a loss per item, of shape ({n},), got {tuple(loss.shape)}")
        return loss.mean()

    def abduct(self, batch: Held) -> tuple[Noise, Tensor | None]:
        """The noise of the images and, where there is a constraint, F per dimension, (n,); in one pass."""
        if batch.noise:
            return batch.noise[0], None
        seen = self._seen(batch.values)
        if self.constraint is None:
            return _abducted(self.mechanism, seen), None
        u, loss = explained(self.mechanism, *seen)
        return u, loss / self.pixels

    def imagine(self, batch: Held, u: Noise) -> Imagined:
        """The counterfactuals of a batch, under interventions drawn for it."""
        values, graph = batch.values, self.scm.graph
        world, moved = self.intervene(values)
        image = self.answer(batch, temper(u, self.view.temperature), world)
        held = dict(zip(self.guides.reads, batch.readings, strict=True))
        seen_by: dict[Reader, World] = {}

        def read(reader: Reader) -> World:
            if reader not in seen_by:
                seen_by[reader] = self.guides.counterfactual(reader, image)
            return seen_by[reader]

        return Imagined(
            graph=graph,
            name=self.image,
            image=image,
            factual=values,
            world=world,
            moved=moved,
            before=batch.outlines,
            spread=dict(zip(self.read, self.spreads, strict=True)),
            outline=self.guides.outlines,
            readings=read,
            held=held.__getitem__,
            losses=lambda: self._losses(values, {**world, self.image: image}),
        )

    def answer(self, batch: Held, u: Noise, world: World) -> Tensor:
        """The counterfactual images where the other variables are as in `world`."""
        seen, parents = self._seen(batch.values), self.scm.parents(world, self.image)
        region = Region().mask(
            self.scm.graph, self.image, seen.value, dict(seen.parents), parents, lambda: batch.changeable
        )
        return self.mechanism.counterfactual(u, parents, seen, Options(region))

    @torch.no_grad()
    def intervene(self, values: World) -> tuple[World, World]:
        """The other variables under drawn interventions, and by name the rows in which they were set or follow from it."""
        drawn = self.sampler(values, self.intervened)
        check_kind("what the sampler draws", drawn, Drawn)
        follow = [n for n in self.others if n in self.scm.graph.descendants(*drawn.rows)]
        seen = {n: Seen(values[n], self.scm.parents(values, n)) for n in follow}
        noise = {n: _abducted(self.scm.mechanisms[n], seen[n]) for n in follow}
        known = {name: values[name] for name in self.others}

        def predict(name: str, parents: World) -> Tensor:
            return self.scm.mechanisms[name].counterfactual(noise[name], parents, seen[name])

        return propagate_rows(self.scm.graph, known, drawn.values, drawn.rows, predict, self.others)

    def _losses(self, before: World, after: World) -> tuple[Tensor, Tensor]:
        """The loss of `fit` per dimension of the image in each world, with the same draws."""
        seed = int(torch.randint(2**31, ()))

        def loss(world: World) -> Tensor:
            with seeded(seed, world[self.image].device):
                return loss_per_dimension(self.mechanism.unwrapped, self.image, world)

        with torch.no_grad():
            was = loss(before)
        return was, loss(after)

    @torch.no_grad()
    def validate(self, held: Held) -> float:
        """The loss on `held`, with the same interventions at every call."""
        device = next(self.parameters()).device
        with seeded(0, device):
            losses = in_batches(lambda part: self(part)[0][None], held, BATCH, device)
        return float(losses.mean())


def causes_read(graph: Graph, image: str, terms: Iterable[Term]) -> list[str]:
    """The causes of `image` that terms read: what training sets."""
    names = dict.fromkeys(name for term in terms for _, name in term.reads)
    return [name for name in names if image in graph.descendants(name)]


def _abducted(mechanism: Mechanism, seen: Seen) -> Noise:
    return mechanism.abduct(*seen, mechanism.noise(len(seen.value)))


def _spread(graph: Graph, data: World, name: str) -> Tensor:
    """The standard deviation of a variable, 0-d; 1 for levels."""
    return data[name].new_ones((), dtype=torch.float32) if graph[name].discrete else data[name].std()
