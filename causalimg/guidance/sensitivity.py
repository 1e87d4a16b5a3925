"""Sensitivity: how far an image follows each of its causes.

Each item gets the value one standard deviation down and one up; of a level, the next one. Where a reader reads the cause, the
sensitivity is the slope of the reading on what was asked for: 1 where the image follows, 0 where it ignores its cause. For a
level it is the share of items that read as what was set. Where nobody reads it, what is left is how much the image changes.
A mechanism trained by likelihood alone often ignores its causes, since its latents tell it all.
"""

from collections.abc import Iterable, Mapping, Sequence
from math import inf, isfinite
from typing import NamedTuple, cast

import torch
from torch import Tensor

from causalimg.draws import Draws
from causalimg.errors import warn
from causalimg.fit import check_fitted
from causalimg.graph import Categorical, Continuous, Graph, Image, Variable
from causalimg.readers import Reader
from causalimg.scm import SCM, Factual, Outline
from causalimg.values import World, count_rows, in_batches, limits

IGNORED = 0.2
"""Below this slope a cause counts as ignored."""

UNSEEN = 0.5 / 255
"""Below this change, half a grey level, a cause that nobody reads counts as ignored."""

BATCH = 64
"""So many items are asked at once."""


class Sensitivity(NamedTuple):
    """How far an image follows a cause.

    `slope`: of the reading on what was asked for; None where nobody reads it. `change`: the mean |x' - x| over pixels, as a
    share of the range from black to white.
    """

    slope: float | None
    change: float

    @property
    def ignored(self) -> bool:
        """Whether the image hardly follows."""
        return self.change < UNSEEN if self.slope is None else self.slope < IGNORED

    def __str__(self) -> str:
        if self.slope is None:
            return f"the image changes by {255 * self.change:.2f} grey levels of 255"
        return f"sensitivity {self.slope:.2f}, 1 would be as asked"


class _Cause(NamedTuple):
    """What is moved: who reads it, on which images it shows, and what each item is set to, (n, moves)."""

    reader: Reader | None
    images: tuple[str, ...]
    targets: Tensor


@torch.no_grad()
def sensitivity(
    scm: SCM, values: World, readers: Sequence[Reader], outline: Outline | None = None, *, seed: int = 0
) -> dict[str, Sensitivity]:
    """Of the causes of images that `readers` read, and of all other parents of images: over all of `values`, batch by batch.

    What is the same in all rows can't be moved, and is left out. `outline` finds the structures near which an answer may change
    (see `Factual`). Raises ValueError where an image, or what lies between it and a cause, is not fitted.
    """
    causes = _causes(scm.graph, values, readers)
    targets = {name: cause.targets for name, cause in causes.items()}

    def ask(part: tuple[World, World]) -> dict[str, World]:
        return _asked(Factual(scm, part[0], outline=outline, draws=Draws.of(part[0], seed)), causes, part[1], values)

    return _summaries(scm.graph, targets, in_batches(ask, (values, targets), BATCH) if causes else {})


@torch.no_grad()
def misses(factual: Factual, readers: Sequence[Reader]) -> dict[str, float]:
    """Of the causes of images that `readers` read, how far answers are from what was asked, on average.

    The mean |reading - target| over the mean |target - what was seen|; of a level, the share that reads as another.
    """
    graph, values = factual.scm.graph, factual.values
    causes = {name: one for name, one in _causes(graph, values, readers).items() if one.reader is not None}
    targets = {name: cause.targets for name, cause in causes.items()}
    answers = _asked(factual, causes, targets, values)
    return {
        name: _miss(graph[name], targets[name], answer["reading"], values[name][:, None])
        for name, answer in answers.items()
    }


def _miss(variable: Variable, targets: Tensor, readings: Tensor, was: Tensor) -> float:
    def away(values: Tensor) -> Tensor:
        return ((values != targets) if isinstance(variable, Categorical) else (values - targets).abs()).float()

    return (away(readings).nansum() / away(was).sum()).item()


def _asked(factual: Factual, causes: Mapping[str, "_Cause"], targets: World, values: World) -> dict[str, World]:
    """By cause, what comes of moving it: see `_answers`. `values` say how bright images are."""
    scm = factual.scm
    check_fitted(scm.mechanisms, {n for name, one in causes.items() for n in between(scm.graph, [name], one.images)})
    spans = {image: _span(cast(Image, scm.graph[image]), values[image]) for image in scm.graph.images}
    return {name: _answers(factual, name, causes[name], target, spans) for name, target in targets.items()}


def _summaries(graph: Graph, targets: World, found: Mapping[str, World]) -> dict[str, Sensitivity]:
    return {name: _summary(graph[name], targets[name], answers) for name, answers in found.items()}


def between(graph: Graph, causes: Iterable[str], effects: Iterable[str]) -> set[str]:
    """What follows from `causes`, and is one of `effects` or leads to one."""
    ends = set(effects)
    return {name for name in graph.descendants(*causes) if name in ends or ends & graph.descendants(name)}


def rows_to_ask(values: World, most: int = BATCH) -> World:
    """At most so many rows of `values`, spread over all of them."""
    n = count_rows(values)
    return {
        name: column[torch.linspace(0, n - 1, min(n, most)).long().to(column.device)] for name, column in values.items()
    }


def _causes(graph: Graph, values: World, readers: Sequence[Reader]) -> dict[str, _Cause]:
    """By name, those that can be moved; of several readers of one, the first."""
    found: dict[str, tuple[Reader | None, tuple[str, ...]]] = {}
    for reader in readers:
        names = [n for n in reader.can_read(graph) if graph.image_of(n) in graph.descendants(n)]
        found = {name: (reader, (graph.image_of(name),)) for name in names} | found
    for name in (name for name in graph if not graph[name].value_shape and name not in found):
        if images := tuple(image for image in graph.images if name in graph.parents(image)):
            found[name] = (None, images)
    causes = {name: _Cause(*who, _targets(graph[name], values[name])) for name, who in found.items()}
    return {name: one for name, one in causes.items() if (one.targets != values[name][:, None]).any()}


def _targets(variable: Variable, was: Tensor) -> Tensor:
    """What each item is set to: one standard deviation down and one up, (n, 2); of levels, the next one, (n, 1)."""
    if isinstance(variable, Categorical):
        return ((was + 1) % len(variable.levels))[:, None]
    bounds = cast(Continuous, variable).bounds
    ends = [infinite if bound is None else bound for bound, infinite in zip(bounds, (-inf, inf), strict=True)]
    spread = was.std(correction=0) if len(was) else was
    return torch.stack([(was + sign * spread).clamp(*ends) for sign in (-1, 1)], dim=1)


def _span(variable: Image, images: Tensor) -> float:
    """From black to white; 1 where all is of one grey."""
    low, high = limits(variable, images) if len(images) else (0.0, 1.0)
    return high - low or 1.0


def _answers(factual: Factual, name: str, cause: _Cause, targets: Tensor, spans: Mapping[str, float]) -> World:
    """The change, and the reading if there is one, for each of `targets`: (n, moves)."""
    graph, found = factual.scm.graph, []
    for target in targets.unbind(1):
        world = factual.scm.propagate(factual, {name: target})
        away = [(world[i] - factual.values[i]).abs().flatten(1).mean(1) / spans[i] for i in cause.images]
        answer = {"change": torch.stack(away).amax(0)}
        if cause.reader is not None:
            answer["reading"] = cause.reader.read(world[cause.images[0]], graph, [name])[name]
        found.append(answer)
    return {key: torch.stack([answer[key] for answer in found], dim=1) for key in found[0]}


def _summary(variable: Variable, targets: Tensor, answers: World) -> Sensitivity:
    slope = _slope(variable, targets, answers["reading"]) if "reading" in answers else None
    return Sensitivity(slope if slope is not None and isfinite(slope) else None, answers["change"].mean().item())


def _slope(variable: Variable, targets: Tensor, readings: Tensor) -> float:
    if not isinstance(variable, Continuous):
        return (readings == targets).float().mean().item()
    return ((readings[:, 1] - readings[:, 0]).mean() / (targets[:, 1] - targets[:, 0]).mean()).item()


def summary(found: Mapping[str, Sensitivity]) -> str:
    """A line for each cause; those that are ignored are marked."""
    return "\n".join(f"{name}: {one}{' (ignored)' * one.ignored}" for name, one in found.items())


def advice(found: Mapping[str, Sensitivity]) -> str:
    """What this means for fine-tuning, a line for each variable that is read and ignored; empty where none is."""
    return "\n".join(
        f"the image hardly follows {name} ({one}): guidance has to teach it from nothing. "
        "Expect a plateau first; allow more steps, or fit longer before."
        for name, one in found.items()
        if one.ignored and one.slope is not None
    )


def warn_of_ignored(found: Mapping[str, Sensitivity], names: Iterable[str]) -> None:
    """Warn of each of `names` that the image ignores."""
    for name in (name for name in names if name in found and found[name].ignored):
        warn(
            f"the image hardly follows {name} ({found[name]}): the answer to do({name}=...) hardly shows what was set. "
            f"Fine-tune with guidance by a reader of {name}, fit longer, or take another mechanism, such as FlowMatching"
        )
