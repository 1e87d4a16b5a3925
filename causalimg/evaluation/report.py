"""A judgement as a value: tables, plain data, pictures, and a page to send to a colleague."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, cast

from torch import Tensor

from causalimg.counterfactual import Counterfactual
from causalimg.evaluation import sections as parts
from causalimg.evaluation.composition import Composition
from causalimg.evaluation.dose_response import DoseResponse
from causalimg.evaluation.effectiveness import Effect, Effectiveness
from causalimg.evaluation.judges import Judges
from causalimg.evaluation.metric import Metric
from causalimg.evaluation.page import Cell, Finding, Section, markdown, publish
from causalimg.evaluation.questions import Items, Measured, Question
from causalimg.evaluation.statistics import Deviation, Estimate
from causalimg.evaluation.sureness import Sureness
from causalimg.evaluation.truth import IMAGE, Truth, Truths
from causalimg.evaluation.unobserved import Tipping
from causalimg.evaluation.usual import Usualness
from causalimg.evaluation.verdict import verdict, within
from causalimg.graph import Graph, Image
from causalimg.values import limits
from causalimg.viz.curves import Curve, draw_dose_response
from causalimg.viz.pictures import ROWS, Pictures, draw_grid

PICTURES = (
    "Factual, counterfactual, and their difference, of the first eight items. Outlines are the judge's: solid on the factual "
    "image, dashed on the counterfactual one. Red became brighter, blue darker."
)


class Examples(NamedTuple):
    """Pictures of one question, ``do(name=...)``, of the first eight items as they were drawn: the `factual` images, the
    `answer`, and the `truth` if it is known. Black and white are `bounds`."""

    name: str
    factual: Pictures
    answer: Pictures
    truth: Pictures | None
    bounds: tuple[float, float]

    def draw(self, answers: Mapping[str, Pictures] | None = None) -> Any:
        """The matplotlib figure: factual, then `answers` (default: the one here) and the truth, with differences."""
        columns = dict(answers or {"counterfactual": self.answer})
        if self.truth is not None:
            columns["truth"] = self.truth
        return draw_grid(self.factual, columns, bounds=self.bounds, title=f"do({self.name})")


@dataclass(frozen=True, eq=False)
class Report:
    """What `evaluate` measured. What a model has no means for, or no truth is known of, is empty.

    Means over the models, where there are several; the pictures in `examples` are the first model's. How to read the numbers:
    `docs/judging.md`.
    """

    graph: Graph
    items: str
    """A digest of the items: the same for the same ones in the same order."""
    effectiveness: Effectiveness
    """By variable that was set: error, floor, drift, slope, change; and the matrix of all that was read."""
    null: Mapping[str, Deviation]
    """By variable that is read: how far it moves with nothing asked, the pixels' noise drawn afresh."""
    composition: Mapping[str, Composition]
    """By image."""
    metrics: Mapping[str, Mapping[str, Estimate]]
    """By label of a metric, then by variable that was set."""
    measured_with: Mapping[str, Metric]
    """By label, the metric: its unit, and what it says."""
    dose: Mapping[str, DoseResponse]
    """By continuous variable that was set."""
    truth: Mapping[str, Truth]
    """By variable that was set, of a phantom."""
    sureness: Mapping[str, Sureness]
    """By variable that was set, where answers are of several draws."""
    usualness: Mapping[str, Usualness]
    """By variable that was set, where the model knows which causes it was fitted with."""
    tipping: Tipping
    """By variable that was set, then by effect: what would explain it away."""
    nll: Mapping[str, Estimate]
    """By image: the negative log-likelihood (or its bound), in nats per dimension."""
    examples: Mapping[str, Examples]
    """By variable that was set: pictures of the first eight items."""

    def __getitem__(self, name: str) -> Effect:
        """The effect of setting `name`. Raises ValueError for what was not set, with the nearest name."""
        return self.effectiveness[name]

    @property
    def title(self) -> str:
        """The page's heading."""
        return f"{self.graph.title}: counterfactuals, judged"

    @property
    def verdict(self) -> list[Finding]:
        """What the numbers come to, in sentences, each good, not good, or can't tell; see `causalimg.evaluation.verdict`."""
        return verdict(within(self.effectiveness, self.dose), self.null, self.truth)

    def table(self) -> str:
        """The verdict and all tables, in Markdown."""
        return markdown(self.title, self.sections())

    def sections(self) -> list[Section]:
        """The page, part by part."""
        judged = self.effectiveness
        doses = [dose_file(name) for name in self.dose]
        return [
            parts.verdict(self.verdict),
            parts.method(judged),
            parts.effects(judged),
            parts.matrix(self.graph, judged, self.null),
            *([parts.dose_response(self.dose, doses)] if self.dose else []),
            Section("Pictures", PICTURES, figures=[pictures_file(name) for name in self.examples]),
            *([parts.composition(self.composition)] if self.composition else []),
            *([self._metrics()] if self.metrics else []),
            *([parts.truth(self.graph, self.truth)] if self.truth else []),
            *([self._sureness()] if self.sureness else []),
            *([self._usualness()] if self.usualness else []),
            *parts.unobserved(self.graph, judged.effects, self.tipping),
            *([parts.likelihood(self.nll)] if self.nll else []),
            parts.caveats(judged),
        ]

    def figures(self) -> dict[str, Any]:
        """The matplotlib figures, by file name."""
        doses = {dose_file(name): self._draw(one) for name, one in self.dose.items()}
        return doses | {pictures_file(name): one.draw() for name, one in self.examples.items()}

    def to_data(self) -> dict[str, Any]:
        """All numbers, no pictures, as plain JSON data; None where there is none."""
        return {
            "graph": self.graph.title,
            "items": self.items,
            "verdict": [one.to_data() for one in self.verdict],
            **self.effectiveness.to_data(),
            "matrix": {name: _data(row) for name, row in self.effectiveness.matrix.items()},
            **{
                part: _data(getattr(self, part))
                for part in ("null", "composition", "dose", "truth", "sureness", "usualness", "nll")
            },
            "tipping": {name: _data(effects) for name, effects in self.tipping.items()},
            "metrics": {
                label: {"unit": self.measured_with[label].unit, "do": _data(values)}
                for label, values in self.metrics.items()
            },
        }

    def write(self, folder: str | Path) -> Path:
        """Write ``report.md``, ``report.json``, the figures, and ``report.html``, which needs none of them; returns the last."""
        return publish(folder, "report", self.title, self.sections(), self.figures(), self.to_data())

    def metrics_of(self, name: str) -> dict[str, Estimate]:
        """By label, every metric under ``do(name=...)``."""
        return {label: values[name] for label, values in self.metrics.items()}

    def _metrics(self) -> Section:
        effects = self.effectiveness.effects
        rows = [([Cell(effect.label, strong=True)], self.metrics_of(name)) for name, effect in effects.items()]
        return parts.metrics(self.measured_with, ["do"], rows)

    def _sureness(self) -> Section:
        rows = [([Cell(self[name].label, strong=True)], one) for name, one in self.sureness.items()]
        return parts.sureness(["do"], rows)

    def _usualness(self) -> Section:
        rows = [([Cell(self[name].label, strong=True)], one) for name, one in self.usualness.items()]
        return parts.usualness(["do"], rows)

    def _draw(self, one: DoseResponse) -> Any:
        effect = self.effectiveness[one.name]
        target = effect.target.repeat(len(effect.measured))
        curves = {"the same items at every target": Curve(one.target, *one.band())}
        measured = {"every item, once": effect.measured.flatten()}
        return draw_dose_response(target, measured, curves, label=effect.label)


def dose_file(name: str) -> str:
    """The file of a dose-response figure."""
    return f"dose_response_{name}.png"


def pictures_file(name: str) -> str:
    """The file of the pictures of a question."""
    return f"pictures_{name}.png"


def first_images(question: Question) -> dict[str, Tensor]:
    """Keeps the counterfactual images of the first items, for `examples_of`, and the spread of several draws."""
    first, answer = slice(max(0, ROWS - question.rows.start)), question.after
    kept = {"x": answer[question.image][first].cpu()}
    if isinstance(answer, Counterfactual) and answer.has_intervals:
        kept["spread"] = answer.spread[question.image][first].cpu()
    return kept


def examples_of(judges: Judges, items: Items, truths: Truths, measured: Mapping[str, Measured]) -> dict[str, Examples]:
    """The examples of every question, as one model answered it."""
    return {name: _examples(judges, items, name, truths, one) for name, one in measured.items()}


def _examples(judges: Judges, items: Items, name: str, truths: Truths, measured: Measured) -> Examples:
    variable, image = judges.graph[name], judges.graph.image_of(name)
    columns = (items.values[name], items.targets[name], measured["read"][name])
    was, target, read = (column[:ROWS].tolist() for column in columns)
    asked = [f"do({name} = {variable.say(to)})\nwas {variable.say(v)}" for v, to in zip(was, target, strict=True)]
    before, after = items.values[image][:ROWS], measured["examples"]["x"]
    factual = Pictures(before, judges.outlines(before, image), asked)
    said = [f"read {variable.say(value)}" for value in read]
    answer = Pictures(after, judges.outlines(after, image), said, measured["examples"].get("spread"))
    bounds = limits(cast(Image, judges.graph[image]), items.values[image])
    return Examples(name, factual, answer, _truth(truths, name, factual), bounds)


def _truth(truths: Truths, name: str, factual: Pictures) -> Pictures | None:
    if name not in truths:
        return None
    world = truths[name]
    masks = {structure: world.masks[structure][:ROWS] for structure in factual.outlines if structure in world.masks}
    return Pictures(world.values[IMAGE][:ROWS], masks)


def _data(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value.to_data() for name, value in values.items()}
