"""How usual what is asked of an image is: whether its causes occurred together so, where its mechanism was fitted.

A mechanism answers whatever it is asked. What it has learnt says something only near the causes that it saw together (the
*positivity* or *overlap* of causal inference). With r(p) the distance of causes p to the fifth nearest of n training rows,
numbers in standard deviations of these rows, a level that differs counting as 1, and rows with the same numbers as one::

    support(p) = (1 + #{training rows i : r_i >= r(p)}) / (n + 1),      r_i that of row i to the others

It is the share of training rows that are as far from the others as what is asked. For independent rows like these it is at most
α in a share α of the cases, however they are distributed (a conformal p-value; *Testing for Outliers with Conformal p-values*,
Bates et al., Annals of Statistics 2023, arXiv:2104.08279). Nothing of it rests on the mechanisms of the causes. Their likelihood
would speak of each cause given its own causes, which the image doesn't see, and of which the graph may be wrong.
"""

from collections.abc import Iterable, Mapping
from functools import cached_property, lru_cache
from typing import Literal

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from causalimg.errors import check_given, check_known, warn
from causalimg.graph import Categorical, Graph, measure
from causalimg.values import World, columns, count_rows

UNUSUAL = 0.01
"""Below this support what is asked counts as unusual."""

MOST = 2000
"""So many training rows are kept, evenly spaced, at most."""

NEIGHBOURS = 5

SAVED, ROWS = "supports", "training rows"
"""What the parts of saved supports are called, beside the variables."""

Unusual = Literal["warn", "refuse", "allow"]
"""What becomes of a question that is unusual."""


def warn_of_unusual(unusual: int, answers: int) -> None:
    """Warn that `unusual` of so many `answers` are, if any is."""
    if unusual:
        warn(
            f"{unusual} of {answers} answers are of causes that hardly occurred together in training: see the column support"
        )


class Support:
    """The scalar causes of an image as training rows had them together: `values` (n,) by cause, and the numbers of the `rows`."""

    def __init__(self, graph: Graph, values: Mapping[str, Tensor], rows: Tensor) -> None:
        self.graph, self.values, self.rows = graph, dict(values), rows
        numbers = {name: value.double() for name, value in self.values.items() if not graph[name].discrete}
        least = {name: 1e-6 * value.abs().amax().clamp(min=1) for name, value in numbers.items()}
        self._scales = {name: value.std(correction=0).clamp(min=least[name]) for name, value in numbers.items()}

    @classmethod
    def of(cls, graph: Graph, image: str, train: World) -> "Support | None":
        """That of an image which was fitted on the columns `train`; None where it has no scalar cause, or there is one row."""
        causes = [name for name in graph.parents(image) if not graph[name].value_shape]
        n = count_rows(train)
        if not causes or n < 2:
            return None
        rows = torch.linspace(0, n - 1, min(n, MOST)).round().long()
        return cls(graph, {name: train[name].cpu()[rows] for name in causes}, rows)

    def of_causes(self, world: Mapping[str, Tensor]) -> Tensor:
        """The support of the causes in `world`, (n,), each in (0, 1]."""
        lonelier = self._lonely[None] >= self._radius(world)[:, None]
        return ((1 + lonelier.sum(1)) / (1 + len(self._lonely))).float()

    def nearest(self, world: Mapping[str, Tensor], k: int = 3) -> Tensor:
        """The numbers of the `k` training rows whose causes are nearest to those in `world`, nearest first: (n, k)."""
        distances = _distances(self._points(world), self._points(self.values))
        return self.rows[distances.topk(min(k, len(self.rows)), largest=False).indices]

    def row(self, number: int) -> World:
        """The causes of a training row, by its number."""
        at = int((self.rows == number).nonzero()[0])
        return {name: value[at] for name, value in self.values.items()}

    def complaint(self, image: str, world: Mapping[str, Tensor], set_: Iterable[str]) -> str:
        """What is unusual about the causes in `world` (n, ...), some of which were set; empty where nothing is."""
        support = self.of_causes(world)
        if not (support < UNUSUAL).any():
            return ""
        item, rows = int(support.argmin()), int((support < UNUSUAL).sum())
        near = int(self.nearest({name: world[name][item : item + 1] for name in self.values}, 1))
        asked = {name: world[name][item] for name in self.values}
        return (
            f"do({', '.join(f'{name}=...' for name in set_)}): {rows} of {len(support)} answers are of causes of {image} that "
            f"hardly occurred together where it was fitted (support below {UNUSUAL:.0%}), and may show anything. The least "
            f"usual, item {item}: {self._say(asked)} (support {support[item]:.2%}); the nearest training row, {near}: "
            f"{self._say(self.row(near))}. support='refuse' makes this an error, support='allow' says nothing"
        )

    def _say(self, row: World) -> str:
        return ", ".join(f"{name} {self.graph[name].say(value.item())}" for name, value in row.items())

    @cached_property
    def _others(self) -> Tensor:
        """What there is to be near to: where a number is among the causes, each different row once, since rows may repeat."""
        points = self._points(self.values)
        return points if all(self.graph[name].discrete for name in self.values) else points.unique(dim=0)

    @cached_property
    def _lonely(self) -> Tensor:
        """Of each training row, the radius to the others; itself, at no distance, is one of them."""
        return self._radius(self.values, itself=1)

    def _radius(self, world: Mapping[str, Tensor], itself: int = 0) -> Tensor:
        nearest = max(1, min(NEIGHBOURS, len(self._others) - 1)) + itself
        distances = _distances(self._points(world), self._others)
        return distances.topk(min(nearest, len(self._others)), largest=False).values[:, -1]

    def _points(self, world: Mapping[str, Tensor]) -> Tensor:
        """(n, dimensions): numbers in standard deviations, levels at a distance of 1 from each other."""
        return torch.cat([self._point(name, world[name].cpu()) for name in self.values], dim=1)

    def _point(self, name: str, value: Tensor) -> Tensor:
        if isinstance(variable := self.graph[name], Categorical):
            return one_hot(value.long(), len(variable.levels)).double() / 2**0.5
        return (value.double() / self._scales[name])[:, None]


def _distances(one: Tensor, other: Tensor) -> Tensor:
    return torch.cdist(one, other, compute_mode="donot_use_mm_for_euclid_dist")


def supports_of(graph: Graph, train: World) -> dict[str, Support]:
    """By image that was fitted on the columns `train`; of those that have one."""
    found = {image: Support.of(graph, image, train) for image in graph.images}
    return {image: support for image, support in found.items() if support is not None}


def training_values(supports: Mapping[str, Support], name: str) -> Tensor | None:
    """What training rows had of `name`, as far as it is kept: of scalar causes of images."""
    return next((support.values[name] for support in supports.values() if name in support.values), None)


def to_tensors(supports: Mapping[str, Support]) -> World:
    """All of `supports` as tensors by name, to be saved; `from_tensors` is the way back."""
    return {
        f"{SAVED}.{image}.{name}": value
        for image, support in supports.items()
        for name, value in {ROWS: support.rows, **support.values}.items()
    }


def from_tensors(graph: Graph, tensors: World) -> tuple[dict[str, Support], World]:
    """What `to_tensors` made of supports, and the other `tensors`. Raises ValueError for what it can't have made."""
    others = {name: value for name, value in tensors.items() if not name.startswith(f"{SAVED}.")}
    parts: dict[str, World] = {}
    for path in tensors.keys() - others.keys():
        _, image, name = path.split(".", 2)
        parts.setdefault(image, {})[name] = tensors[path]
    return {image: _checked(graph, image, part) for image, part in parts.items()}, others


def _checked(graph: Graph, image: str, part: World) -> Support:
    rows, causes = (
        part.pop(ROWS, torch.empty(0)),
        [name for name in graph.parents(image) if not graph[name].value_shape],
    )
    values, _ = columns(graph, part)
    if rows.dtype != torch.int64 or len(rows) < 2 or any(value.shape != rows.shape for value in values.values()):
        raise ValueError(
            f"supports of {image}: expected the numbers of two training rows or more, and each cause of each"
        )
    check_given("cause", causes, values)
    return Support(graph, {name: values[name] for name in causes}, rows)


def raise_or_warn(complaints: Iterable[str], unusual: Unusual) -> None:
    """Say each of `complaints`, as `unusual` has it. Raises ValueError with the first of them where it is "refuse"."""
    check_known("support", [unusual], ("warn", "refuse", "allow"))
    for complaint in filter(None, complaints):
        if unusual == "refuse":
            raise ValueError(complaint)
        if unusual == "warn":
            warn(complaint)


def check_possible(graph: Graph, values: Mapping[str, Tensor], asked: str = "") -> None:
    """Raise ValueError for what can't be: an area or a length below 0, or above that of the whole image; the first such row."""
    for name, value in values.items():
        if name in graph.measured and graph.measured[name].extensive:
            whole, variable = _whole(graph, name), graph[name]
            wrong = (value < 0) | (value > whole * (1 + 1e-6))
            if wrong.any():
                said, row = variable.say(value[wrong][0].item()), int(wrong.nonzero()[0])
                what = f"{asked}({name}={said})" if asked else f"{name}, row {row}: {said}"
                raise ValueError(f"{what}: it lies between 0 and {variable.say(whole)}, the whole image")


@lru_cache(maxsize=64)
def _whole(graph: Graph, name: str) -> float:
    """What is measured of `name` where its structures fill the image; kept, for each question asks."""
    shape = graph[graph.image_of(name)].value_shape
    full = dict.fromkeys(graph.measured[name].structures, torch.ones(1, *shape[1:]))
    return measure(graph, name, full, torch.zeros(1, *shape)).item()
