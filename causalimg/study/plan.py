"""What a study is on, and how everything in it is trained."""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

from pydantic import NonNegativeFloat
from torch import Tensor

from causalimg.data import Table
from causalimg.data.phantoms import Phantom
from causalimg.graph import Graph
from causalimg.graph.spec import Spec
from causalimg.guidance import Permuted, Sampler
from causalimg.mechanisms import HVAE, Deform, Edited, FlowMatching, Mechanism
from causalimg.readers import Augment, Pose
from causalimg.training.recipe import Recipe

SMALL = Edited(base=HVAE(widths=(16, 32, 48, 64), embedding=32), edit=Deform())
"""An image mechanism that is large enough for a phantom."""


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

    def judged_on(self, every: int) -> "Study":
        """The same study, with one of so many rows to judge on: for a first look at a long one."""
        groups = None if self.groups is None else self.groups[::every]
        return replace(self, test=self.test.rows(slice(None, None, every)), groups=groups)


class Plan(Spec):
    """How long everything is trained, and with which settings. `image` is the mechanism of the image, `pose` how its training
    images are moved, `augment` how those of the readers are changed. `plausibility` is the weight of that term in fine-tuning."""

    fit: Recipe = Recipe(steps=1000, lr=2e-3, warmup=100)
    tuning: Recipe = Mechanism.tuning
    plausibility: NonNegativeFloat = 0.0
    sampler: Sampler = Permuted()
    readers: Recipe = Recipe(steps=600, lr=4e-3)
    augment: Augment | None = None
    pose: Pose | None = None
    image: Mechanism = Edited(base=HVAE(), edit=Deform())
    encoder: str = "tu-resnet18"
    judging_encoder: str = "mobilenet_v2"

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
