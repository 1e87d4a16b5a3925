"""What the cases share: a disc whose area is measured, rows of it, and models that answer as if they were fitted."""

from collections.abc import Iterable, Mapping
from contextlib import suppress
from functools import cache
from typing import Any

import torch
from torch import Tensor

import causalimg as ci
from causalimg.graph import measure

SIZE = 16
NAMES = ("age", "sex", "dose", "area", "x")


class Disc(ci.Graph):
    """A disc, its area, and what causes it."""

    age = ci.Continuous(unit="year", bounds=(0, 110))
    sex = ci.Categorical(levels=("female", "male"))
    dose = ci.Continuous(parents=[age])
    area = ci.Continuous(parents=[age, sex], unit="px", bounds=(0, None), measured=ci.Area("disc"))
    x = ci.Image(parents=[sex, area], shape=(1, SIZE, SIZE))


class Threshold(ci.Reader):
    """Outlines what is bright: a segmentor with nothing to train."""

    def can_read(self, graph: ci.Graph) -> tuple[str, ...]:
        """What is measured on the disc."""
        return tuple(name for name, quantity in graph.measured.items() if set(quantity.structures) <= {"disc"})

    def masks(self, images: Tensor) -> dict[str, Tensor]:
        """The disc."""
        return {"disc": images[:, 0] > 0.5}

    def read(self, images: Tensor, graph: ci.Graph, names: Iterable[str], *, soft: bool = False) -> dict[str, Tensor]:
        """What the disc measures."""
        outlined = torch.sigmoid(20 * (images[:, 0] - 0.5)) if soft else (images[:, 0] > 0.5).float()
        return {name: measure(graph, name, {"disc": outlined}, images) for name in names}


class Lightness(ci.Reader):
    """Reads the area as the mean grey: another reader of the same variable."""

    def can_read(self, graph: ci.Graph) -> tuple[str, ...]:
        """The area."""
        return tuple(name for name in graph if name == "area")

    def read(self, images: Tensor, graph: ci.Graph, names: Iterable[str], *, soft: bool = False) -> dict[str, Tensor]:
        """The share of the image that is light."""
        return {name: SIZE**2 * images.mean((1, 2, 3)) for name in names}


def rows(n: int = 8, seed: int = 0) -> dict[str, Tensor]:
    """So many rows of the world."""
    draw = torch.Generator().manual_seed(seed)
    age, sex = 20 + 60 * torch.rand(n, generator=draw), torch.randint(0, 2, (n,), generator=draw)
    area = 30 + 0.6 * age + 15 * sex + 5 * torch.randn(n, generator=draw)
    side = torch.arange(SIZE) - (SIZE - 1) / 2
    far = (side[:, None] ** 2 + side**2).sqrt()
    image = torch.sigmoid(2 * ((area[:, None, None] / torch.pi).sqrt() - far))[:, None]
    return {"age": age, "sex": sex, "dose": 3 + age / 10 + torch.randn(n, generator=draw), "area": area, "x": image}


def item(row: int = 0) -> dict[str, Tensor]:
    """One of them, without a batch dimension."""
    return {name: value[row] for name, value in rows().items()}


def autoencoder() -> Any:
    """The smallest there is."""
    return ci.HVAE(widths=(4, 4), latents=(0, 2), embedding=4)


def as_if_fitted(model: Any, data: Mapping[str, Tensor]) -> Any:
    """`model`, which has seen `data` and answers as it is."""
    for name, mechanism in model.mechanisms.items():
        mechanism.prepare(data[name], model.parents(data, name))
        if hasattr(mechanism, "fitted"):
            mechanism.fitted.fill_(True)
    return model


def compiled(graph: Any = Disc, reader: Any = None, seed: int = 0, **mechanisms: Any) -> Any:
    """A model whose image is made by the smallest autoencoder, unless `mechanisms` say otherwise."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return ci.compile(graph, reader or Threshold(), **({"x": autoencoder()} | mechanisms))


@cache
def model() -> Any:
    """A model with an autoencoder."""
    return as_if_fitted(compiled(), rows(32))


@cache
def other() -> Any:
    """A model of the same graph that has learnt something else."""
    return as_if_fitted(compiled(seed=1), rows(32, seed=1))


@cache
def flow() -> Any:
    """A model with a flow."""
    return as_if_fitted(compiled(x=ci.FlowMatching(widths=(4, 4), embedding=8, steps=2)), rows(32))


class Numbers(ci.Graph):
    """A graph without images."""

    age = ci.Continuous(unit="year", bounds=(0, 110))
    sex = ci.Categorical(levels=("female", "male"))
    dose = ci.Continuous(parents=[age, sex])


@cache
def numbers() -> Any:
    """A model without images."""
    return as_if_fitted(ci.compile(Numbers), rows(32))


@cache
def segmentor() -> Any:
    """A small network, untrained."""
    return ci.Segmentor.unet(("disc",), width=4)


@cache
def regressor() -> Any:
    """A small network, untrained."""
    return ci.Regressor.cnn(("area",), width=4)


@cache
def classifier() -> Any:
    """A small network, untrained."""
    return ci.Classifier.cnn({"sex": ("female", "male")}, width=4)


def warm() -> None:
    """Make what is shared, once, so that every case finds it."""
    for make in (model, other, flow, numbers, segmentor, regressor, classifier):
        with suppress(AttributeError):  # an earlier version of the library has no such thing
            make()
