"""Methods side by side: reports by the same judges, of the same items and targets."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import torch

from causalimg.errors import check_kind, check_known
from causalimg.evaluation import sections as parts
from causalimg.evaluation.effectiveness import GUIDED, Effect
from causalimg.evaluation.page import Cell, Finding, Section, Table, markdown, number, numbers, publish, ratio
from causalimg.evaluation.ranking import ranking
from causalimg.evaluation.report import Report, dose_file, pictures_file
from causalimg.evaluation.statistics import NONE, brief
from causalimg.evaluation.verdict import within
from causalimg.viz.curves import Curve, draw_dose_response

T = TypeVar("T")


@dataclass(frozen=True, eq=False)
class Comparison:
    """`reports` by method; the first is the one that the others' likelihood is compared with, such as "none".

    Raises ValueError for no report, and for reports by different judges, or of different items, variables or targets; TypeError
    for what is no report.
    """

    reports: Mapping[str, Report]

    def __post_init__(self) -> None:
        if not self.reports:
            raise ValueError("nothing to compare: pass reports by method, Comparison({'none': report, ...})")
        for method, report in self.reports.items():
            check_kind(method, report, Report)
            _check(method, report, next(iter(self.reports)), self._first)

    def __getitem__(self, method: str) -> Report:
        check_known("method", [method], self.reports)
        return self.reports[method]

    @property
    def _first(self) -> Report:
        return next(iter(self.reports.values()))

    @property
    def title(self) -> str:
        """The page's heading."""
        return f"{self._first.graph.title}: {', '.join(self.reports)}"

    @property
    def verdict(self) -> list[Finding]:
        """Which method is best and which worst, by what, and whether they can be told apart; of one method, its verdict."""
        if len(self.reports) == 1:
            return self._first.verdict
        judged = {method: within(one.effectiveness, one.dose) for method, one in self.reports.items()}
        return ranking(judged, self._first.null)

    def table(self) -> str:
        """The verdict and all tables, in Markdown."""
        return markdown(self.title, self.sections())

    def to_data(self) -> dict[str, Any]:
        """By method, the report's data, and how the likelihood changed, in % of the first's."""
        return {
            method: {**report.to_data(), "nll change %": {image: self.cost(method, image) for image in report.nll}}
            for method, report in self.reports.items()
        }

    def write(self, folder: str | Path) -> Path:
        """Write ``comparison.md``, ``comparison.json``, the figures, and ``comparison.html``, which needs none of them;
        returns the last."""
        return publish(folder, "comparison", self.title, self.sections(), self.figures(), self.to_data())

    def cost(self, method: str, image: str) -> float | None:
        """How much −log p (F) rose against the first method, in % of |F|; None where one of them is not known."""
        first, own = (report.nll.get(image, NONE) for report in (self._first, self[method]))
        return (
            None
            if first.missing or own.missing or not first.value
            else 100 * (own.value - first.value) / abs(first.value)
        )

    def sections(self) -> list[Section]:
        """The page, part by part."""
        first = self._first
        return [
            parts.verdict(self.verdict) if len(self.reports) == 1 else parts.ranking(self.verdict),
            self._method(),
            self._effects(),
            *([self._doses()] if first.dose else []),
            *([self._metrics()] if any(report.metrics for report in self.reports.values()) else []),
            *([self._sureness()] if any(report.sureness for report in self.reports.values()) else []),
            *([self._usualness()] if any(report.usualness for report in self.reports.values()) else []),
            Section("Pictures", PICTURES, figures=[pictures_file(name) for name in first.examples]),
        ]

    def figures(self) -> dict[str, Any]:
        """The matplotlib figures, by file name: the same items, every method beside the other."""
        figures = {dose_file(name): self._draw_doses(name) for name in self._first.dose}
        for name, shown in self._first.examples.items():
            answers = {method: report.examples[name].answer for method, report in self.reports.items()}
            figures[pictures_file(name)] = shown.draw(answers)
        return figures

    def _draw_doses(self, name: str) -> Any:
        doses = {method: report.dose[name] for method, report in self.reports.items()}
        curves = {method: Curve(one.target, *one.band()) for method, one in doses.items()}
        return draw_dose_response(torch.empty(0), {}, curves, label=self._first[name].label)

    def _method(self) -> Section:
        judged = self._first.effectiveness
        models = ", ".join(f"{method} {report.effectiveness.models}" for method, report in self.reports.items())
        text = (
            f"{len(self.reports)} methods were asked the same questions about the same {judged.sample}, and judged by "
            f"{judged.judge}. Trainings per method: {models}; where there are several, numbers are means over them, ± the "
            f"standard deviation between them (lowest to highest). In brackets: 95 % bootstrap intervals over {judged.over}"
            f"{'' if judged.grouped else ', which are too narrow where patients repeat'}."
        )
        guided = ", ".join(method for method, report in self.reports.items() if report.effectiveness.guided)
        warnings = [f"{guided}: {GUIDED}" if guided else "", judged.weakness]
        return Section("How they were judged", text, warning=" ".join(filter(None, warnings)))

    def _doses(self) -> Section:
        doses = self._first.dose
        rows = [
            [
                Cell(self._first[name].label, strong=True),
                *numbers(*(report.dose[name].slope for report in self.reports.values())),
            ]
            for name in doses
        ]
        table = Table(["calibration slope of", *self.reports], rows)
        return Section("Dose and response", DOSES, [table], [dose_file(name) for name in doses])

    def _metrics(self) -> Section:
        metrics = {label: one for report in self.reports.values() for label, one in report.measured_with.items()}
        rows = [
            ([Cell(effect.label), Cell(method, strong=True)], report.metrics_of(name))
            for name, effect in self._first.effectiveness.effects.items()
            for method, report in self.reports.items()
        ]
        return parts.metrics(metrics, ["do", "method"], rows)

    def _effects(self) -> Section:
        heads = [
            "do",
            "method",
            "error %",
            "judge's own %",
            "error / own",
            "slope",
            "drift of others %",
            "share outside",
        ]
        heads += ["change, grey levels", "−log p (F)", "F against first"]
        if any(report.truth for report in self.reports.values()):
            heads.append("to the truth, grey levels")
        rows = [
            self._row(name, method)[: len(heads)]
            for name in self._first.effectiveness.effects
            for method in self.reports
        ]
        return Section("What was asked for, and what it cost", EFFECTS, [Table(heads, rows)])

    def _sureness(self) -> Section:
        return parts.sureness(["do", "method"], self._rows(lambda report: report.sureness))

    def _usualness(self) -> Section:
        return parts.usualness(["do", "method"], self._rows(lambda report: report.usualness))

    def _rows(self, of: Callable[[Report], Mapping[str, T]]) -> list[tuple[list[Cell], T]]:
        """A row for each question and method that has what is asked for, and its first cells."""
        return [
            ([Cell(effect.label), Cell(method, strong=True)], of(report)[name])
            for name, effect in self._first.effectiveness.effects.items()
            for method, report in self.reports.items()
            if name in of(report)
        ]

    def _row(self, name: str, method: str) -> list[Cell]:
        report = self.reports[method]
        effect, truth = report[name], report.truth.get(name)
        image = report.graph.image_of(name)
        cost = self.cost(method, image)
        return [
            Cell(effect.label),
            Cell(method, strong=True),
            *numbers(effect.error, effect.floor),
            ratio(effect.error, effect.floor),
            number(effect.slope),
            _drift(effect),
            *numbers(effect.outside, effect.change, report.nll.get(image, NONE)),
            Cell("–" if cost is None else f"{cost:+.2f}\u00a0%"),
            number(truth.image if truth else NONE),
        ]


EFFECTS = (
    "A row for each variable that was set, and method. Error, drift, and what they rest on are explained in each method's own "
    "report. F is the negative log-likelihood of the held-out images (of an autoencoder the bound on it), in nats per "
    "dimension; less is better."
)
DOSES = (
    "The same items are asked for every target: mean, and 10th to 90th percentile of the readings; grey is where both agree. The "
    "calibration slope is taken within each item, and averaged."
)
PICTURES = (
    "The first eight items as they were drawn, a row each: factual, then every method and its difference to the factual image. "
    "Outlines are the judge's: solid on the factual image, dashed on the counterfactual one."
)


def _check(method: str, report: Report, first: str, other: Report) -> None:
    """Raise ValueError where `report` can't stand beside the `other`, of the method `first`."""
    mine, theirs = report.effectiveness, other.effectiveness
    if (mine.judge, mine.fingerprints) != (theirs.judge, theirs.fingerprints):
        here, there = (f"{one.judge} [{', '.join(one.fingerprints)}]" for one in (mine, theirs))
        raise ValueError(f"{method} was judged by {here}, {first} by {there}: let the same judges read both")
    if report.items != other.items:
        raise ValueError(f"{method} and {first} were asked about different items: use the same test, n and seed")
    if set(mine.effects) != set(theirs.effects):
        raise ValueError(f"{method} was asked for {', '.join(mine.effects)}; {first} for {', '.join(theirs.effects)}")
    for label in report.measured_with.keys() & other.measured_with.keys():
        units = [one.measured_with[label].unit for one in (report, other)]
        if units[0] != units[1]:
            raise ValueError(f"{label}: {method} measured it in {units[0]!r}, {first} in {units[1]!r}")
    for name, effect in mine.effects.items():
        if not effect.target.equal(theirs[name].target):
            raise ValueError(f"{name}: {method} and {first} were asked for different targets: use the same seed")


def _drift(effect: Effect) -> Cell:
    """The drift of every other variable, without its range, which stands in the report."""
    first, *rest = [f"{brief(one.value)} {other}" for other, one in effect.drift.items()] or ["–"]
    return Cell(first, tuple(rest))
