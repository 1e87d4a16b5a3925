"""What a study is on, and how everything in it is trained."""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

from pydantic import NonNegativeFloat
from torch import Tensor

from causalimg.data import Table
from causalimg.data.phantoms import Phantom
from causalimg.errors import check_known, unknown
from causalimg.graph import Graph
from causalimg.graph.spec import Spec
from causalimg.guidance import Permuted, Sampler
from causalimg.mechanisms import HVAE, Deform, Edited, FlowMatching, Mechanism
from causalimg.model import CausalModel, compile
from causalimg.readers import Augment, Pose, Reader
from causalimg.readers.neural import NeuralReader
from causalimg.training.recipe import Recipe
from causalimg.values import Columns

ROW = "row of the table"
"""The column by which rows are split that count by themselves."""

SMALL = Edited(base=HVAE(widths=(16, 32, 48, 64), embedding=32), edit=Deform())
"""An image mechanism that is large enough for a phantom."""


class Rows(Columns, Protocol):
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
    """What is compared on: rows to train on, to choose weights by, and to judge on. `groups`: the patient of each test row;
    without, every row counts by itself.

    With `phantom`, `test` is a sample of it, and answers are compared with the truth. Raises ValueError for groups that are not
    one for each test row.
    """

    graph: Graph
    train: Rows
    val: Rows
    test: Any
    groups: Sequence[Hashable] | None = None
    phantom: Phantom | None = None

    def __post_init__(self) -> None:
        rows = len(self.test.values[self.graph.images[0]])
        if self.groups is not None and len(self.groups) != rows:
            raise ValueError(f"groups: expected one for each of {rows} rows to judge on, got {len(self.groups)}")

    @classmethod
    def of_phantom(cls, phantom: Phantom, patients: int = 800, held_out: int = 96) -> "Study":
        """A study on a phantom; the seeds of its three samples are fixed."""
        train, val, test = (phantom.sample(n, seed=seed) for seed, n in enumerate((patients, held_out, held_out)))
        return cls(phantom.graph, train, val, test, phantom=phantom)

    @classmethod
    def of_table(cls, table: Table, patient: str | None = "patient") -> "Study":
        """A study on a table with masks: by its column ``split`` (train, val, test), or else split by `patient`.

        `patient`: the column that says which rows belong together; None, where each counts by itself. Raises ValueError, with the
        nearest name, where the table has no such column, and where it has no outlines; TableError, with the rows, where two parts
        share a patient or an image.
        """
        if not table.masks:
            raise ValueError("a study trains segmentors: read the table with masks=... and structures=...")
        if patient is not None and patient not in table.extra:
            raise ValueError(
                f"{unknown('column of patients', patient, table.extra)} Rows of one patient are not independent: name the "
                "column that says which belong together (patient=..., in a file patient: ...), or say that each row counts "
                "by itself (patient=None, in a file patient: null)."
            )
        if "split" in table.extra:
            if patient is not None:
                table.check_apart("split", by=patient)
            train, val, test = (table.where(split=part) for part in ("train", "val", "test"))
        else:
            train, val, test = _numbered(table).split(by=patient or ROW, fractions=(0.7, 0.15, 0.15))
        return cls(table.graph, train, val, test, groups=test.extra[patient] if patient else None)

    def judged_on(self, every: int) -> "Study":
        """The same study, with one of so many rows to judge on: for a first look at a long one."""
        groups = None if self.groups is None else self.groups[::every]
        return replace(self, test=self.test.rows(slice(None, None, every)), groups=groups)


def _numbered(table: Table) -> Table:
    """`table`, with a column that tells each row from all others."""
    return replace(table, extra={**table.extra, ROW: [str(row) for row in range(len(table))]})


class Plan(Spec):
    """How long everything is trained, and with which settings. `image` is the mechanism of the image, `scalars` are those of
    scalars that don't get the usual one, by variable. `pose` says how training images are moved, `augment` how those of the
    readers are changed. `plausibility` is the weight of that term in fine-tuning.

    `fit`, `tuning` and `readers` override what they say of the own recipes of what is trained."""

    fit: Recipe = Recipe(steps=1000, lr=2e-3, warmup=100)
    tuning: Recipe = Mechanism.tuning
    plausibility: NonNegativeFloat = 0.0
    sampler: Sampler = Permuted()
    readers: Recipe = Recipe(steps=600, lr=4e-3)
    augment: Augment | None = None
    pose: Pose | None = None
    image: Mechanism = Edited(base=HVAE(), edit=Deform())
    scalars: Mapping[str, Mechanism] = {}
    encoder: str = "tu-resnet18"
    judging_encoder: str = "mobilenet_v2"

    @property
    def recipes(self) -> dict[str, Recipe]:
        """`fit`, `tuning` and `readers`, whole: with what the own recipes of what is trained say besides."""
        own = {"fit": self.image.unwrapped.recipe, "tuning": self.image.tuning, "readers": NeuralReader.recipe}
        return {name: getattr(self, name).over(recipe) for name, recipe in own.items()}

    def compiled(self, graph: Graph, *readers: Reader, seed: int = 0) -> CausalModel:
        """The model of `graph`, untrained. Raises ValueError for a graph that has not one image and for a mechanism of what is
        no scalar, and what `compile` raises."""
        if len(graph.images) != 1:
            raise ValueError(f"a study is about one image, and {graph.title} has {len(graph.images)}")
        check_known("scalar", self.scalars, [name for name in graph if name not in graph.images])
        return compile(graph, *readers, seed=seed, **self.scalars, **dict.fromkeys(graph.images, self.image))

    @classmethod
    def of_length(cls, steps: int, **others: Any) -> "Plan":
        """A plan that fits the image for so many `steps`, fine-tunes for as many, and trains readers for a fifth more.

        `others` are further settings of the plan.
        """
        lengths = {
            "fit": Recipe(steps=steps, lr=2e-3, warmup=steps // 10),
            "tuning": Recipe(steps=steps, batch=24, lr=2e-3, warmup=steps // 20),
            "readers": Recipe(steps=6 * steps // 5, lr=4e-3),
        }
        return cls(**(lengths | others))

    @classmethod
    def of_flow(cls, steps: int, **others: Any) -> "Plan":
        """A plan that fits a flow to the image for so many `steps`; readers train half of them, fine-tuning a fifteenth.

        `others` are further settings of the plan.
        """
        settings = {
            "image": FlowMatching(),
            "fit": FlowMatching.recipe.model_copy(update={"steps": steps, "batch": 32}),
            "tuning": Recipe(steps=max(1, steps // 15), batch=16, lr=1e-3, warmup=20),
            "plausibility": 3.0,
            "readers": Recipe(steps=max(1, steps // 2), lr=4e-3),
        }
        return cls(**(settings | others))
