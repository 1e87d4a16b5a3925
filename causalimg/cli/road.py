"""The whole road, from a file to a judged counterfactual: every stage trains what its folder doesn't hold yet."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from causalimg.cards import CARD, About, card
from causalimg.cli.devices import together
from causalimg.data import phantoms
from causalimg.data.description import numbers_of, ranged
from causalimg.errors import check_known
from causalimg.exploring import explore, serve
from causalimg.guided import Guided
from causalimg.model import CausalModel
from causalimg.study import METHODS, SMALL, Plan, Study, StudyFile, check_chosen, compared, judged, trainer_of
from causalimg.study.trainer import BOTH, Trainer

PHANTOMS: dict[str, type[phantoms.Phantom]] = {
    kind.__name__.lower(): kind for kind in (phantoms.Heart, phantoms.Chest, phantoms.Vessel)
}
SUFFIXES = (".yaml", ".yml")
GUIDES = ("regressor", "segmentor", "classifier")
LARGEST = 2**32 - 1
"""The largest seed."""


@dataclass(frozen=True)
class Road:
    """A study, how it is trained, what is compared, and the folder of all that it makes. `said`: the file that says so."""

    study: Study
    plan: Plan
    methods: Sequence[str]
    seeds: Sequence[int]
    out: Path
    said: StudyFile | None = None

    @classmethod
    def of(cls, source: str, changes: Iterable[str] = (), out: Path | None = None, **options: Any) -> "Road":
        """That of a study.yaml, or of a phantom by name. Raises ValueError, with the nearest name, for what is neither."""
        given = {name: value for name, value in options.items() if value is not None and value is not False}
        if "seeds" in given:
            given["seeds"] = numbers(given["seeds"])
        if "methods" in given:
            given["methods"] = given["methods"].split(",")
        of = _of_file if Path(source).suffix in SUFFIXES else _of_phantom
        return of(source, list(changes), out, **given)

    def shared(self, devices: int) -> bool:
        """Whether so many processes have done it all together, of which this is none."""
        self._trainer()  # what is written down before training is there for all
        return together(devices)

    def fit(self, seed: int) -> Path:
        """Train the fitted model of `seed`; returns its folder."""
        trainer = self._trainer()
        trainer.model("none", seed)
        return trainer.folder("none", seed)

    def finetune(self, guide: str, seed: int) -> Path:
        """Train the model of `seed` that `guide` fine-tunes; returns its folder."""
        check_known("guide", [guide], GUIDES)
        trainer = self._trainer()
        trainer.model(guide, seed)
        return trainer.folder(guide, seed)

    def evaluate(self, method: str) -> tuple[str, Path]:
        """Judge one method; returns its table, and where its page is."""
        check_chosen([method], self.seeds)
        report = judged(self._trainer(), [method], self.seeds)[method]
        return report.table(), report.write(self.out / f"report_{method}")

    def compare(self) -> tuple[str, Path]:
        """Judge all methods side by side; returns the table, and where the page is."""
        found = compared(self._trainer(), self.methods, self.seeds)
        return found.table(), self.out / "comparison.html"

    def explore(self, method: str, over: str | None, items: int, targets: int) -> Path:
        """Write the page of the first seed's model, trained if it is not yet, about rows to judge on; returns it."""
        page = self.out / f"explore_{method}.html"
        return explore(self._answering(method), self.study.test, page, over=_names(over), items=items, targets=targets)

    def serve(self, method: str, over: str | None, items: int, host: str, port: int) -> None:
        """Serve the same page, which asks the model, until Ctrl-C."""
        serve(self._answering(method), self.study.test, host=host, port=port, over=_names(over), items=items)

    def _answering(self, method: str) -> CausalModel | Guided:
        check_chosen([method], self.seeds)
        return self._trainer().answering(method, self.seeds[0])

    def card(self, method: str) -> Path:
        """Write the card of each model of a method, judged, into its folder; returns that of the first."""
        guide = method.removesuffix(BOTH)
        check_known("model", [guide], ("none", *GUIDES))
        check_chosen([method], self.seeds)
        trainer = self._trainer()
        report = judged(trainer, [method], self.seeds)[method]
        about = About() if self.said is None else self.said.about
        files = [trainer.folder(guide, seed) / CARD for seed in self.seeds]
        for file, seed in zip(files, self.seeds, strict=True):
            file.write_text(card(trainer.model(guide, seed), report, about))
        return files[0]

    def _trainer(self) -> Trainer:
        """Who trains; what was said is left beside what is made."""
        made = trainer_of(self.study, self.out, self.plan, () if self.said is None else self.said.log)
        if self.said is not None:
            (self.out / "study.yaml").write_text(self.said.to_yaml(self.out))
        return made


def _of_file(source: str, changes: list[str], out: Path | None, **given: Any) -> Road:
    if given.keys() & {"size", "flow"}:
        raise ValueError("--size, --flow: of phantoms. Of your data the study.yaml says it: graph, plan.image")
    said = StudyFile.from_yaml(
        Path(source), [*changes, *(f"{name}={json.dumps(value)}" for name, value in given.items())]
    )
    if out is not None:
        said = said.model_copy(update={"out": out})
    check_chosen(said.methods, said.seeds)
    return Road(said.study(), said.planned(), said.methods, said.seeds, said.out, said)


def _of_phantom(
    source: str,
    changes: list[str],
    out: Path | None,
    *,
    size: int = 64,
    steps: int = 500,
    flow: bool = False,
    methods: Sequence[str] = METHODS,
    seeds: Sequence[int] = (0,),
) -> Road:
    check_known("phantom (or give a study.yaml: causalimg init)", [source], PHANTOMS)
    if changes:
        raise ValueError(f"--set {changes[0]}: of a study.yaml, and {source} is a phantom")
    check_chosen(methods, seeds)
    plan = Plan.of_flow(steps) if flow else Plan.of_length(steps, image=SMALL)
    return Road(Study.of_phantom(PHANTOMS[source](size=size)), plan, methods, seeds, out or Path("out") / source)


def _names(text: str | None) -> list[str] | None:
    return None if text is None else text.split(",")


def numbers(text: str) -> list[int]:
    """``"0,1"`` as seeds. Raises ValueError for what is no list of whole numbers, with commas."""
    words = [word.strip() for word in text.split(",")]
    if any(not word.isdecimal() or int(word) > LARGEST for word in words):
        raise ValueError(f"--seeds: expected whole numbers with commas, such as 0,1, got {text!r}")
    return [int(word) for word in words]


def described(road: Road) -> str:
    """What a study is on, in words: its graph, its rows, and what each variable has."""
    study, graph = road.study, road.study.graph
    rows = {part: len(getattr(study, part).values[graph.images[0]]) for part in ("train", "val", "test")}
    lines = [repr(graph), "", ", ".join(f"{part} {n}" for part, n in rows.items()) + " rows"]
    lines.append(f"patients to judge on: {len(set(study.groups))}" if study.groups else "each row counts by itself")
    lines += [f"{name}: {_range(study, name)}" for name in graph if not graph[name].value_shape]
    steps = {name: recipe.steps for name, recipe in road.plan.recipes.items()}
    lines.append(f"steps: {', '.join(f'{name} {n}' for name, n in steps.items())}; into {road.out}")
    return "\n".join(lines)


def _range(study: Study, name: str) -> str:
    """Of a variable where it is trained on."""
    variable, values = study.graph[name], study.train.values[name]
    said = ranged(variable, values)
    return said if variable.discrete else f"{said}, half below {variable.say(numbers_of(values)['median'])}"
