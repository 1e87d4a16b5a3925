"""Readers that are trained here: a network, and what its outputs mean.

Training is the same for all of them: hold images out, train on the rest under random exposure and pose, and report on what was
held out. What is held out trains nothing and chooses no weights, so that the report is true of new images.
"""

from abc import abstractmethod
from collections.abc import Hashable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Self

import torch
from torch import Tensor, nn

from causalimg.errors import as_seed, check_kind, check_known, located, wrong_kind
from causalimg.graph import Graph
from causalimg.readers.augment import Augment
from causalimg.readers.networks import Network
from causalimg.readers.reader import Reader
from causalimg.readers.scores import Scores, hold_out, known
from causalimg.training.loop import train
from causalimg.training.recipe import Recipe
from causalimg.training.tracking import Log, check_log, log_of
from causalimg.values import digests, in_batches, numbers

CHUNK = 128
"""So many images are read at a time where no gradient is needed."""


class NeuralReader(Reader):
    """A reader that is a `network` and the meaning of its outputs: one of ours, or any `nn.Module` with such outputs.

    A module of your own is saved with the reader if it derives from `Network`.
    """

    recipe: ClassVar[Recipe] = Recipe(steps=600, lr=4e-3)
    """How `fit` trains it, where the user doesn't say otherwise."""

    augment: ClassVar[Augment] = Augment()
    """What `fit` varies in the images, where the user doesn't say otherwise."""

    def __init__(self, network: nn.Module | Mapping[str, Any], **settings: Any) -> None:
        super().__init__(**settings)
        with located("network"):
            self.network = network if isinstance(network, nn.Module) else Network.from_data(network)
        self.eval()

    @abstractmethod
    def targets(self, labels: Any) -> Tensor:
        """The labels given to `fit` as one tensor, first dimension n. Raises ValueError for labels that won't do."""

    @abstractmethod
    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """How far the network's `outputs` are from `targets`, 0-d."""

    @abstractmethod
    def scores(self, outputs: Tensor, targets: Tensor) -> dict[str, Scores]:
        """How good `outputs` on images held out are, by structure or variable; a score that is not finite counts as none."""

    def prepare(self, targets: Tensor) -> None:
        """See the targets once, before training."""

    def settle(self, outputs: Tensor, targets: Tensor) -> None:
        """See outputs on images held out, before they are scored."""

    def fit(
        self,
        images: Tensor,
        labels: Any,
        val: tuple[Tensor, Any] | None = None,
        *,
        groups: Iterable[Hashable] | None = None,
        recipe: Recipe | None = None,
        augment: Augment | None = None,
        seed: int = 0,
        log: Log | None = None,
        checkpoint: str | Path | None = None,
    ) -> Self:
        """Train the network on `images` (n, C, H, W), within [0, 1], and `labels`; then `assess` it on `val`.

        Without `val`, 15 % of the images are held out: whole `groups`, such as patients, where a group is given for every
        image. `recipe` overrides what it says of the reader's own. `log`: a file for JSON lines, a logger of Lightning's, or a
        list of these (docs/tracking.md). `checkpoint`: a folder in which training is written down as it goes, so that the same
        call on a reader made anew goes on where it was cut short, and ends bitwise as if it had not been. Returns itself.

        Raises ValueError on images or labels that won't do, and on a checkpoint of another training; TypeError on an argument of
        another kind; both before anything is trained.
        """
        check_kind("recipe", recipe, Recipe, type(None))
        check_kind("augment", augment, Augment, type(None))
        check_log(log)
        seed, kept = as_seed(seed), self._pair(images, labels)
        if val is None:
            train_rows, held_rows = hold_out(len(images), groups, seed)
            held = (kept[0][held_rows], kept[1][held_rows])
            kept = (kept[0][train_rows], kept[1][train_rows])
        elif isinstance(val, tuple | list) and len(val) == 2:
            held = self._pair(*val)
        else:
            raise wrong_kind("val", "a pair, images and labels", val)
        if len(kept[0]) < 2:  # of one there are no statistics
            raise ValueError(f"images: expected 2 or more to train on besides those held out, got {len(kept[0])}")
        self.scores(self.outputs(held[0][:1]), held[1][:1])  # what can't be scored is said before anything is trained
        self.prepare(kept[1])
        step = _Step(self, augment or self.augment)
        data = {"images": kept[0], "targets": kept[1]}
        how, name = (recipe or Recipe()).over(self.recipe), type(self).__name__.lower()
        settings = {"reader": self.describe(), "recipe": how.model_dump(mode="json"), "seed": seed}
        train(
            step,
            data,
            how,
            label=f"fit {name}",
            seed=seed,
            log=log_of(log, name, lambda: {name: settings}),
            checkpoint=None if checkpoint is None else Path(checkpoint),
            about={
                "reader": self.describe(),
                "weights": digests(self.state_dict()),
                "augment": (augment or self.augment).model_dump(mode="json"),
                "data": digests(data),
            },
        )
        self._assess(*held)
        self.fitted |= {"trained_on": len(kept[0]), "seed": seed}
        return self

    def assess(self, images: Tensor, labels: Any) -> Self:
        """Write into `fitted` how well it reads `images` that it was not trained on; `fit` does it unasked. Returns itself."""
        return self._assess(*self._pair(images, labels))

    def outputs(self, images: Tensor) -> Tensor:
        """The network's outputs, without gradient, a `CHUNK` at a time."""
        with torch.no_grad():
            outputs: Tensor = in_batches(self.network, images, CHUNK)
        return outputs

    def readable(self, graph: Graph, names: Iterable[str]) -> list[str]:
        """`names`, if this reader reads them all. Raises ValueError, with the nearest name, if not."""
        names = list(names)
        check_known(f"variable that this {type(self).__name__.lower()} reads", names, self.can_read(graph))
        return names

    @property
    def portable(self) -> bool:
        return isinstance(self.network, Network)

    def to_data(self) -> dict[str, Any]:
        if not isinstance(self.network, Network):
            raise ValueError(
                f"a {type(self).__name__.lower()} around {type(self.network).__name__} can't be saved, because that is code: "
                "pass it again where you load, or derive its class from causalimg.readers.Network"
            )
        return {**super().to_data(), "network": self.network.to_data()}

    def _assess(self, images: Tensor, targets: Tensor) -> Self:
        outputs = self.outputs(images)
        self.settle(outputs, targets)
        scores = {name: known(each) for name, each in self.scores(outputs, targets).items()}
        self.fitted = {**self.fitted, "held_out": len(images), "scores": scores}
        return self

    def _pair(self, images: Any, labels: Any) -> tuple[Tensor, Tensor]:
        images, targets = numbers("images", images), self.targets(labels)
        if len(images) != len(targets):
            raise ValueError(f"{len(images)} images, but labels for {len(targets)}")
        if not len(images):
            raise ValueError("no images: expected one or more to train on, and one or more to hold out")
        wrong = ((images < 0) | (images > 1) | images.isnan()).flatten(1).any(dim=1).nonzero()
        if len(wrong):
            raise ValueError(f"images: expected values within [0, 1]; row {int(wrong[0])} has others (bytes / 255 do)")
        if targets.ndim == images.ndim and targets.shape[2:] != images.shape[2:]:
            sizes = tuple(images.shape[2:]), tuple(targets.shape[2:])
            raise ValueError(f"masks: expected the size of the images, {sizes[0]}, got {sizes[1]}")
        return images.float(), targets


def stacked(labels: Mapping[str, Tensor], *dims: str) -> Tensor:
    """`labels` by name, each of shape `dims`, as one tensor (n, names, ...). Raises ValueError for shapes that differ."""
    first = next(iter(labels))
    for name, one in labels.items():
        check_dims(name, one, *dims)
        if one.shape != labels[first].shape:
            shapes = tuple(one.shape), tuple(labels[first].shape)
            raise ValueError(f"{name}: labels of shape {shapes[0]}, but those of {first} have {shapes[1]}")
    return torch.stack(list(labels.values()), dim=1)


def check_dims(what: str, values: Tensor, *dims: str) -> None:
    """Raise ValueError where `values` have not so many dimensions: ``area: expected shape (n,), got (12, 1)``."""
    if values.ndim != len(dims):
        expected = f"({', '.join(dims)}{',' * (len(dims) == 1)})"
        raise ValueError(f"{what}: expected shape {expected}, got {tuple(values.shape)}")


def check_distinct(what: str, names: Sequence[str]) -> None:
    """Raise ValueError for a name that is there twice."""
    if len(set(names)) < len(names):
        raise ValueError(f"duplicate {what} among {', '.join(names)}")


class _Step(nn.Module):
    """The loss on a batch, under another exposure and another pose."""

    def __init__(self, reader: NeuralReader, augment: Augment) -> None:
        super().__init__()
        self.reader, self._augment = reader, augment

    def forward(self, batch: dict[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
        images, targets = batch["images"], batch["targets"]
        if targets.ndim == images.ndim:  # outlines move along
            images, targets = self._augment.move(images, targets.float())
        else:
            (images,) = self._augment.move(images)
        outputs = self.reader.network(self._augment.expose(images))
        return self.reader.loss(outputs, targets), {}
