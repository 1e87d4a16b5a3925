"""The contract of readers: networks that read variables off an image.

One interface, three uses: a reader fills in what a table lacks, guides fine-tuning, or judges the result. Who guided may not
judge. (The field also says anticausal predictor, or pseudo-oracle.)

A reader on disk is JSON (kind, settings, report) and tensors, see `storage`.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from reprlib import repr as brief
from typing import Any, Self

import torch
from torch import Tensor, nn

from causalimg import storage
from causalimg.configured import Configured, bounded, room
from causalimg.errors import check_kinds, located, wrong_kind
from causalimg.graph import Graph


class Reader(Configured, ABC):
    """Reads variables of a graph off an image. Subclass it with `can_read` and `read`.

    `fitted` reports how well it reads held-out images, as plain JSON data; it is saved with the reader.
    """

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.fitted: dict[str, Any] = {}

    @abstractmethod
    def can_read(self, graph: Graph) -> tuple[str, ...]:
        """The variables of `graph` that this reader reads."""

    @abstractmethod
    def read(self, images: Tensor, graph: Graph, names: Iterable[str], *, soft: bool = False) -> dict[str, Tensor]:
        """The variables `names` of `images` (batch, channels, height, width), in the graph's units.

        Hard (the default): what is reported; a continuous value of shape (batch,), or a level's index. Soft: the
        differentiable form that guides; a continuous value of shape (batch,), or log-probabilities (batch, levels).
        """

    def masks(self, images: Tensor) -> dict[str, Tensor]:
        """The structures that this reader outlines, by name, bool (batch, height, width); none, unless it is a segmentor."""
        return {}

    def describe(self) -> str:
        """The reader in a few words, for messages."""
        return f"{type(self).__name__}({', '.join(f'{key}={value!r}' for key, value in dict(self.spec).items())})"

    @property
    def portable(self) -> bool:
        """Whether a file can hold it: not if it is around a user's own code."""
        return True

    def to_data(self) -> dict[str, Any]:
        """Kind, settings and report as plain JSON data; `from_data` and `load_state_dict` are the way back."""
        return {**super().to_data(), "fitted": self.fitted}

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> Self:
        """The reader that `data` describes, still without its weights. Raises ValueError if it is not of this kind."""
        fitted = data.get("fitted", {}) if isinstance(data, Mapping) else None
        if not isinstance(fitted, Mapping):
            raise ValueError(
                f"a reader: expected a mapping with its 'kind' and what it has 'fitted', got {brief(data)}"
            )
        reader = super().from_data({key: value for key, value in data.items() if key != "fitted"})
        reader.fitted = dict(fitted)
        return reader

    def save(self, folder: str | Path) -> None:
        """Write the reader into `folder`."""
        storage.write(folder, self.to_data(), self.state_dict())

    @classmethod
    def load(cls, folder: str | Path) -> Self:
        """The reader in `folder`. Raises FileNotFoundError, or ValueError if it is not of this kind."""
        data, tensors = storage.read(folder)
        if loader := "CausalModel" if "graph" in data else "Ensemble" if "models" in data else "":
            raise ValueError(f"{folder} holds no {cls.__name__}: {loader}.load reads it")
        with located(str(folder)), bounded("a network", room(tensors)):
            reader = cls.from_data(data)
        storage.load_into(reader, folder, tensors)
        return reader

    def report(self) -> str:
        """What `fitted` says, as a short table: a line for each structure or variable, a column for each score; – is none."""
        if not self.fitted:
            return "not fitted"
        scores: Mapping[str, Mapping[str, float | None]] = self.fitted["scores"]
        rows = [
            [name, *("–" if value is None else f"{value:.3g}" for value in row.values())]
            for name, row in scores.items()
        ]
        table = [[f"{self.fitted['held_out']} images held out", *next(iter(scores.values()))], *rows]
        widths = [max(map(len, column)) for column in zip(*table, strict=True)]
        return "\n".join("  ".join(map(str.rjust, row, widths)) for row in table)


def check_readers(what: str, given: object, *others: type) -> None:
    """Raise TypeError where `given` is no list of readers, or of `others`; of a bare network it says how it becomes a reader."""
    for one in given if isinstance(given, Sequence) else [given]:
        if isinstance(one, nn.Module) and not isinstance(one, (Reader, *others)):
            raise TypeError(
                f"{wrong_kind(what, 'Reader', one)}: say what its outputs mean, Segmentor(network, structures=(...)), "
                "Regressor(network, variables=(...)) or Classifier(network, levels={...})"
            )
    check_kinds(what, given, Reader, *others)


def fingerprint(network: Configured) -> str:
    """Twelve hex digits of what a network has learnt, so that it is known again: of its parameters, or, if it has none, of
    its kind and settings.

    Names, settings and buffers don't count: wrapped, renamed or calibrated anew, it is the same network still.
    """
    digest = sha256()
    parameters = list(network.parameters())
    for parameter in parameters:
        numbers = parameter.detach().cpu().contiguous()
        digest.update(f"{numbers.dtype}{tuple(numbers.shape)}".encode())
        digest.update(numbers.view(-1).view(torch.uint8).numpy().tobytes())
    if not parameters:
        digest.update(repr(network.to_data()).encode())
    return digest.hexdigest()[:12]
