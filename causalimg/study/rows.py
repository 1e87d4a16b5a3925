"""What a study is on: a causal graph, and rows to train on, to choose weights by, and to judge on."""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from torch import Tensor

from causalimg.data import Table
from causalimg.data.phantoms import Phantom
from causalimg.graph import Graph


class Rows(Protocol):
    """Values of every variable and outlines of every structure: a `Table`, or a `Sample` of a phantom."""

    @property
    def values(self) -> Mapping[str, Tensor]:
        """Columns by variable."""
        ...

    @property
    def masks(self) -> Mapping[str, Tensor]:
        """Outlines by structure, bool (rows, height, width)."""
        ...


@dataclass(frozen=True, eq=False)
class Study:
    """What is compared on: rows to train on, to choose weights by, and to judge on. `groups`: the patient of each test row.

    With `phantom`, `test` is a sample of it, and answers are compared with the truth.
    """

    graph: Graph
    train: Rows
    val: Rows
    test: Any
    groups: Sequence[Hashable] | None = None
    phantom: Phantom | None = None

    @classmethod
    def of_phantom(cls, phantom: Phantom, patients: int = 800, held_out: int = 96) -> "Study":
        """A study on a phantom; the seeds of its three samples are fixed."""
        train, val, test = (phantom.sample(n, seed=seed) for seed, n in enumerate((patients, held_out, held_out)))
        return cls(phantom.graph, train, val, test, phantom=phantom)

    @classmethod
    def of_table(cls, table: Table, patient: str = "patient") -> "Study":
        """A study on a table with masks: by its column ``split`` (train, val, test), or else split by `patient`.

        Raises ValueError where the table has no such column, or no outlines.
        """
        if not table.masks:
            raise ValueError("a study trains segmentors: read the table with masks=... and structures=...")
        if "split" in table.extra:
            train, val, test = (table.where(split=part) for part in ("train", "val", "test"))
        else:
            train, val, test = table.split(by=patient, fractions=(0.7, 0.15, 0.15))
        return cls(table.graph, train, val, test, groups=test.extra.get(patient))
