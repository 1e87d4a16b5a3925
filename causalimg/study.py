"""A study: kinds of guidance compared on the same pre-trained models, with the same budget, seeds and judge.

    none         the fitted model as it is
    regressor    a network that reads the numbers straight off the image guides (Reg-CFT)
    segmentor    a network that outlines the structures guides, through what is measured on them (Seg-CFT)
    classifier   a network that reads the levels of the image's categorical causes guides

Guides and judges are trained once, on the training rows; the seeds are those of fit and fine-tuning. Who judges is another
architecture than who guides, from another seed. What a folder already holds is not trained again, so that seeds can be trained
side by side, and a study that was cut short goes on.
"""

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar

from pydantic import Field
from torch import Tensor

from causalimg.data import Table
from causalimg.data.phantoms import Phantom
from causalimg.errors import check_known
from causalimg.evaluation import Comparison, evaluate
from causalimg.fitting.guided import Finetuning
from causalimg.graph import Categorical, Continuous, Graph
from causalimg.graph.spec import Spec
from causalimg.mechanisms import HVAE
from causalimg.model import CausalModel, compile
from causalimg.readers import Augment, Classifier, Reader, Regressor, Segmentor
from causalimg.readers.neural import NeuralReader
from causalimg.training.recipe import Recipe

SMALL: dict[str, Any] = {"widths": (16, 32, 48, 64), "embedding": 32}
"""Settings of an image mechanism that is large enough for a phantom."""

METHODS = ("none", "regressor", "segmentor")
WITH_CLASSIFIER = (*METHODS, "classifier")
KEPT = "plan.json"

R = TypeVar("R", bound=NeuralReader)


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


class Plan(Spec):
    """How long everything is trained, and with which settings. `image` holds settings of the `HVAE`."""

    fit: Recipe = Recipe(steps=1000, lr=2e-3, warmup=100)
    finetuning: Finetuning = Finetuning()
    readers: Recipe = Recipe(steps=600, lr=4e-3)
    augment: Augment | None = None
    image: dict[str, Any] = Field(default_factory=dict)
    encoder: str = "tu-resnet18"
    judging_encoder: str = "mobilenet_v2"

    @classmethod
    def of_length(cls, steps: int, **others: Any) -> "Plan":
        """A plan that fits the image for so many `steps`, fine-tunes for as many, and trains readers for a fifth more.

        `others` are settings of the plan, as they are said.
        """
        lengths = {
            "fit": Recipe(steps=steps, lr=2e-3, warmup=steps // 10),
            "finetuning": Finetuning(recipe=Recipe(steps=steps, batch=24, lr=2e-3, warmup=steps // 20)),
            "readers": Recipe(steps=6 * steps // 5, lr=4e-3),
        }
        return cls(**(lengths | others))


def compare_guidance(
    study: Study,
    out: Path,
    *,
    methods: Sequence[str] = METHODS,
    seeds: Sequence[int] = (0,),
    plan: Plan = Plan(),
) -> Comparison:
    """Train what `out` doesn't hold yet, judge all of it, and write tables, pictures and a page into `out`.

    Raises ValueError for an unknown method, and where `out` holds a study with another plan.
    """
    check_known("method", methods, WITH_CLASSIFIER)
    out.mkdir(parents=True, exist_ok=True)
    _keep(plan, out / KEPT)
    bench = _Bench(study, out, plan)
    models = {method: [bench.model(method, seed) for seed in seeds] for method in methods}
    judges: list[Reader] = [bench.segmentor("judge", guides=False)]
    if "classifier" in methods:
        judges.append(bench.classifier("judging_classifier", guides=False))
    reports = {
        method: evaluate(trained, study.test, judges, phantom=study.phantom, groups=study.groups)
        for method, trained in models.items()
    }
    comparison = Comparison(reports)
    comparison.write(out)
    return comparison


def _keep(plan: Plan, path: Path) -> None:
    said = plan.model_dump_json(indent=2, exclude={"finetuning": {"interventions"}})
    if path.exists() and path.read_text() != said:
        raise ValueError(
            f"{path.parent} holds a study with another plan ({path.name}): choose another folder, or remove it"
        )
    path.write_text(said)


class _Bench:
    """What is trained for a study, each piece once: read from its folder if it is there."""

    def __init__(self, study: Study, out: Path, plan: Plan) -> None:
        self.study, self.out, self.plan = study, out, plan
        graph = study.graph
        self.image = graph.images[0]
        causes = graph.parents(self.image)
        self.measured = [name for name in graph.measured if isinstance(graph[name], Continuous)]
        self.levels = {name: v.levels for name in causes if isinstance(v := graph[name], Categorical)}

    def model(self, method: str, seed: int) -> CausalModel:
        """The model of `seed`: fitted, and fine-tuned under the guidance of `method`."""
        folder = self.out / f"{method}_{seed}"
        if not folder.exists():
            made = self._fitted(seed) if method == "none" else self._finetuned(method, seed)
            made.save(folder)
        return CausalModel.load(folder)

    def _fitted(self, seed: int) -> CausalModel:
        guide = self.segmentor("guide", guides=True)
        model = compile(self.study.graph, guide, **{self.image: HVAE(**self.plan.image)})
        recipes: dict[str, Any] = {self.image: self.plan.fit}
        model.fit(self.study.train.values, self.study.val.values, seed=seed, **recipes)
        return model

    def _finetuned(self, method: str, seed: int) -> CausalModel:
        guide, model = self.guide(method), self.model("none", seed)
        log = self.out / f"{method}_{seed}.jsonl"
        train, val = self.study.train.values, self.study.val.values
        model.finetune(train, val, guidance=[guide], settings=self.plan.finetuning, seed=seed, log=log)
        return model

    def guide(self, method: str) -> Reader:
        """Who guides under `method`."""
        if method == "regressor":
            return self.regressor()
        return self.classifier("classifier", True) if method == "classifier" else self.segmentor("guide", True)

    def segmentor(self, name: str, guides: bool) -> Segmentor:
        """A segmentor of the study's structures."""
        made = Segmentor.unet(tuple(self.study.train.masks), **self._architecture(guides))
        return self._trained(name, made, lambda rows: rows.masks, guides, self.plan.augment)

    def regressor(self) -> Regressor:
        """A regressor of what is measured on the image."""
        made = Regressor.cnn(self.measured, **self._architecture(True))
        still = self.plan.augment and self.plan.augment.model_copy(update={"scale": 0.0})  # sizes are what it reads
        return self._trained("regressor", made, lambda rows: _columns(rows, self.measured), True, still)

    def classifier(self, name: str, guides: bool) -> Classifier:
        """A classifier of the image's categorical causes. Raises ValueError where there is none."""
        if not self.levels:
            raise ValueError(f"classifier guidance: {self.image} has no categorical cause")
        made = Classifier.cnn(self.levels, **self._architecture(guides))
        return self._trained(name, made, lambda rows: _columns(rows, self.levels), guides, self.plan.augment)

    def _architecture(self, guides: bool) -> dict[str, Any]:
        return (
            {"encoder": self.plan.encoder, "seed": 0} if guides else {"encoder": self.plan.judging_encoder, "seed": 1}
        )

    def _trained(self, name: str, made: R, labels: Callable[[Rows], Any], guides: bool, augment: Augment | None) -> R:
        """`made`, trained on the study's rows, or as its folder holds it."""
        folder, train, val = self.out / name, self.study.train, self.study.val
        if folder.exists():
            return type(made).load(folder)
        held = (val.values[self.image], labels(val))
        seed = 0 if guides else 1
        made.fit(train.values[self.image], labels(train), held, recipe=self.plan.readers, augment=augment, seed=seed)
        made.save(folder)
        return made


def _columns(rows: Rows, names: Iterable[str]) -> dict[str, Tensor]:
    return {name: rows.values[name] for name in names}
