"""Asking a model for counterfactuals and a judge what it sees in them, batch by batch; numbers stay, images don't."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol, cast

import torch
from torch import Tensor

from causalimg.evaluation.locality import grey_levels, neighbourhood
from causalimg.graph import Graph, Image
from causalimg.readers.panel import Panel

BATCH = 64


class Answering(Protocol):
    """All that evaluation needs of a model, so that others than ours can be judged too."""

    @property
    def graph(self) -> Graph:
        """What causes what."""
        ...

    @property
    def guided_by(self) -> Sequence[str]:
        """The fingerprints of the readers that guided it."""
        ...

    def do(self, x: Mapping[str, Tensor], /, **interventions: Any) -> Mapping[str, Tensor]:
        """The counterfactual worlds of the factual ones in `x`."""
        ...


class Answers(NamedTuple):
    """By variable that the judge reads: its value in the counterfactual worlds, and the reading, each of shape (n,).

    `change` is how much the images changed, in grey levels of 255, mean over the pixels, shape (n,); `outside` is the part
    of it that lies away from the structures of the variable that was set (NaN where the judge outlines none).
    """

    became: dict[str, Tensor]
    read: dict[str, Tensor]
    change: Tensor
    outside: Tensor


def read(panel: Panel, values: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """All that `panel` reads off the images of `values`, hard."""
    images = {name: values[name].to(_device(panel)) for name in panel.graph.images}
    return {name: value.cpu() for name, value in panel.read_all(images, panel.by_variable, BATCH).items()}


@torch.no_grad()
def ask(model: Answering, panel: Panel, values: Mapping[str, Tensor], name: str, target: Tensor) -> Answers:
    """What becomes of the factual `values` under ``do(name=target)``, and what `panel` reads."""
    image = model.graph.image_of(name)
    unit = grey_levels(cast(Image, model.graph[image]), values[image])
    parts = []
    for start in range(0, len(target), BATCH):
        rows = slice(start, start + BATCH)
        factual = {key: value[rows] for key, value in values.items()}
        world = model.do(factual, **{name: target[rows]})
        change, outside = _changes(panel, name, factual[image], world[image], unit)
        became = {key: world[key].cpu() for key in panel.by_variable}
        parts.append(Answers(became, read(panel, world), change, outside))
    return _joined(parts)


def _changes(panel: Panel, name: str, before: Tensor, after: Tensor, unit: float) -> tuple[Tensor, Tensor]:
    before, after = before.to(_device(panel)), after.to(_device(panel))
    quantity = panel.graph.measured.get(name)
    near = neighbourhood(quantity.structures, panel.outlines(before), panel.outlines(after)) if quantity else None
    change = unit * (after - before).abs().mean(1)
    outside = torch.full_like(change, torch.nan) if near is None else change * ~near
    return change.mean((1, 2)).cpu(), outside.mean((1, 2)).cpu()


def _joined(parts: list[Answers]) -> Answers:
    return Answers(
        became={key: torch.cat([part.became[key] for part in parts]) for key in parts[0].became},
        read={key: torch.cat([part.read[key] for part in parts]) for key in parts[0].read},
        change=torch.cat([part.change for part in parts]),
        outside=torch.cat([part.outside for part in parts]),
    )


def _device(panel: Panel) -> torch.device:
    return next((parameter.device for parameter in panel.parameters()), torch.device("cpu"))
