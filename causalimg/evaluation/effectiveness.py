"""Effectiveness: can what was asked for be read off the counterfactual image?

*Measuring axiomatic soundness of counterfactual image models* (Monteiro et al., ICLR 2023, arXiv:2303.01274). Under
do(v_k = t), with t drawn from the observed values, a judge J reads the counterfactual x'::

    error   |J_k(x') − t| / |t|                          has the intervention worked?
    floor   |J_k(x) − v_k| / |v_k|                       how well can this judge tell at all?
    drift   |J_j(x') − J_j(x) − (v'_j − v_j)| / |v_j|    has anything moved that nothing asked to move?
    change  mean |x' − x|, and its share outside         how much of the image changed, and where?

The judge must not have guided the model: a guide sees what the model was trained to show it.
"""

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

import torch
from torch import Tensor

from causalimg.data.preprocessing import preprocessing_of
from causalimg.errors import check_known
from causalimg.evaluation.change import change_of, neighbourhood
from causalimg.evaluation.judges import Judges, judges_of
from causalimg.evaluation.page import Cell, Table, labelled, numbers, unit_of
from causalimg.evaluation.questions import Answering, Items, Measure, Measured, Question, ask, choose
from causalimg.evaluation.statistics import (
    NONE,
    Deviation,
    Estimate,
    Statistic,
    deviation,
    mean,
    median,
    pool,
    ratio,
    relative,
    slope,
)
from causalimg.graph import Outlined
from causalimg.readers.reader import Reader
from causalimg.values import Columns

GUIDED = "The judge guided this model: these numbers flatter it."
WEAK = "The judge reads {} no better than by always saying the same: its numbers of it mean nothing."
"""The warnings where a refusal was overridden."""


@dataclass(frozen=True, eq=False)
class Effect:
    """What ``do(name=target)`` did, as the judge reads it. How to read these numbers: `docs/judging.md`.

    `target`, shape (n,), and `measured`, (models, n), are what was asked for and what was read. An item whose target is 0
    has no relative error; it counts in `mae`. A categorical variable has none of the last four.
    """

    name: str
    unit: str
    target: Tensor
    measured: Tensor
    error: Estimate
    """Mean of |measured − target| / |target| (MAPE), in %; of a categorical variable, the share of wrong levels."""
    floor: Estimate
    """The judge's own error on the factual images, where the truth is known: less can't be told apart."""
    drift: Mapping[str, Estimate]
    """By other variable: how far its reading moved though nothing asked for it, in % of its value."""
    change: Estimate
    """Mean change of a pixel, in grey levels of 255."""
    outside: Estimate
    """Share of the change that lies neither in nor near the structures that the variable is measured on."""
    drift_mae: Mapping[str, Estimate] = field(default_factory=dict)
    """The drift in the other variable's own unit; of categorical ones there is none."""
    median_error: Estimate = NONE
    """The median instead of the mean: what a few small targets can't inflate."""
    mae: Estimate = NONE
    """Mean of |measured − target|, in the variable's unit."""
    floor_mae: Estimate = NONE
    """The judge's own on the factual images."""
    slope: Estimate = NONE
    """Of measured on target: 1 is what was asked for, 0 is an image that ignores its cause."""

    @property
    def label(self) -> str:
        """The variable with its unit: ``lv_area [mm2]``."""
        return labelled(self.name, self.unit)

    def to_data(self) -> dict[str, Any]:
        """The estimates as plain JSON data, see `Estimate.to_data`; None where there is none."""
        values = {one.name: getattr(self, one.name) for one in fields(self)}
        data = {name: value.to_data() for name, value in values.items() if isinstance(value, Estimate)}
        drifts = {key: {name: one.to_data() for name, one in values[key].items()} for key in ("drift", "drift_mae")}
        return {"unit": self.unit, **data, **drifts}


@dataclass(frozen=True, eq=False)
class Effectiveness:
    """The effect of every intervention in `effects`, on `n` items of `groups` groups, as the reader `judge` sees it.

    `judge`: what it is, in words; `fingerprints`: by which each of the judges is known again.
    `floors`: the judge's own error on the factual images, of all that it reads. `models`: how many were averaged. `grouped`:
    whether groups were given, or every item counts by itself. `weak`: what the judge reads no better than by always saying the
    mean or, of levels, the most frequent.
    """

    effects: Mapping[str, Effect]
    judge: str
    guided: bool
    n: int
    groups: int
    floors: Mapping[str, Deviation] = field(default_factory=dict)
    models: int = 1
    grouped: bool = False
    weak: Sequence[str] = ()
    fingerprints: Sequence[str] = ()

    def __getitem__(self, name: str) -> Effect:
        check_known("judged variable", [name], self.effects)
        return self.effects[name]

    @property
    def matrix(self) -> dict[str, dict[str, Deviation]]:
        """By what was set, then by what was read: the error where both are the same, the drift where they are not."""
        return {
            name: {other: _deviation(effect, other) for other in [name, *effect.drift]}
            for name, effect in self.effects.items()
        }

    def table(self) -> str:
        """A row for every intervention, in Markdown; in brackets, 95 % intervals."""
        heads = ["do", "error %", "judge's floor %", "median error %", "MAE", "judge's MAE", "slope"]
        heads += ["drift of others %", "change, grey levels", "share outside"]
        return f"{Table(heads, [_cells(effect) for effect in self.effects.values()])}\n\n{self.caption()}\n"

    @property
    def warning(self) -> str:
        """What is to be said loudest: that the judge guided the model, and what it can't tell. Empty where it is fit to judge."""
        return " ".join(filter(None, [GUIDED if self.guided else "", self.weakness]))

    @property
    def weakness(self) -> str:
        """What the judge can't tell, as a warning."""
        return WEAK.format(", ".join(self.weak)) if self.weak else ""

    @property
    def sample(self) -> str:
        """What the numbers are of, and their intervals over: ``130 held-out items in 8 groups (patients)``."""
        counted = f"in {self.groups} groups (patients)" if self.grouped else "(every item counts by itself)"
        return f"{self.n} held-out items {counted}"

    @property
    def over(self) -> str:
        """What the intervals are over."""
        return "groups" if self.grouped else "items"

    def caption(self) -> str:
        """What the numbers rest on."""
        notes = [f"{self.sample}, judge {self.judge}; in brackets, 95 % intervals over {self.over}."]
        if self.warning:
            notes.insert(0, f"**{self.warning}**")
        if self.models > 1:
            notes.append(f"Means of {self.models} models, ± the standard deviation between them (lowest to highest).")
        for effect in self.effects.values():
            zeros = int((effect.target == 0).sum()) if effect.target.is_floating_point() else 0
            if zeros:
                notes.append(f"{zeros} targets of {effect.name} are 0 and have no relative error.")
        return " ".join(notes)

    def to_data(self) -> dict[str, Any]:
        """The same as plain JSON data."""
        effects = {name: effect.to_data() for name, effect in self.effects.items()}
        floors = {name: floor.to_data() for name, floor in self.floors.items()}
        about = {name: getattr(self, name) for name in ("judge", "guided", "n", "groups", "grouped", "models")}
        known = {"weak": list(self.weak), "fingerprints": list(self.fingerprints)}
        return {**about, **known, "effects": effects, "floors": floors}


def _deviation(effect: Effect, other: str) -> Deviation:
    if other == effect.name:
        return Deviation(effect.error, effect.mae)
    return Deviation(effect.drift[other], effect.drift_mae.get(other, NONE))


def _cells(effect: Effect) -> list[Cell]:
    drift = Cell("; ".join(f"{name} {estimate}" for name, estimate in effect.drift.items()) or "–")
    known = numbers(effect.error, effect.floor, effect.median_error, effect.mae, effect.floor_mae, effect.slope)
    return [Cell(effect.label), *known, drift, *numbers(effect.change, effect.outside)]


def effectiveness(
    model: Answering,
    values: Columns,
    judge: Reader,
    targets: Sequence[str] | None = None,
    *,
    n: int | None = None,
    groups: Sequence[Hashable] | Tensor | None = None,
    seed: int = 0,
    allow_guide: bool = False,
    allow_weak: bool = False,
) -> Effectiveness:
    """Set each of `targets` (default: all that `judge` reads) in turn, and let `judge` read the counterfactuals.

    `values` hold every variable of held-out items; of `n` of them, drawn with `seed` (default: all), each gets the value of
    another. `groups` says which items belong together (the patient of each): the intervals are over groups.

    Raises ValueError for a judge that guided the model (unless `allow_guide`, which the table then says), for one that reads a
    target no better than by always saying the mean (unless `allow_weak`, likewise), for targets that it doesn't read, for
    missing variables, and for groups that are not one for each item.
    """
    judges = judges_of([model], [judge], allow_guide)
    items = choose(model.graph, values, judges.targets(targets), n, groups, seed, preprocessing_of(model))
    before = judges.read_factual(items.values, items.targets, allow_weak)
    return summary(judges, items, before, [ask(model, items.values, items.targets, measures_of(judges))])


def measures_of(judges: Judges) -> dict[str, Measure]:
    """The measures that `summary` needs: what was read, what the values became, and how much the image changed."""
    return {
        "read": lambda question: judges.read(question.after),
        "became": lambda question: {name: question.after[name].cpu() for name in judges.readers.by_variable},
        "change": lambda question: _change(judges, question),
    }


def _change(judges: Judges, question: Question) -> dict[str, Tensor]:
    """How much the image changed, and that away from the structures of the variable that was set; see `change_of`."""
    before, after = question.images()
    quantity = judges.graph.measured.get(question.name)
    outlined = [Outlined(judges.outlines(images, question.image), images) for images in (before, after)]
    near = neighbourhood(quantity, *outlined) if quantity else None
    return change_of(before, after, near, question.unit)


def summary(
    judges: Judges, items: Items, before: Mapping[str, Tensor], measured: Sequence[Mapping[str, Measured]]
) -> Effectiveness:
    """What was `measured` of each model, over all of them; `before` is what was read off the factual images."""
    all_models = _Summary(judges, items, before)
    effects = {name: all_models.effect(name, [each[name] for each in measured]) for name in items.targets}
    return Effectiveness(
        effects,
        judges.name,
        judges.guided,
        len(items.rows),
        items.groups,
        all_models.floors,
        len(measured),
        items.grouped,
        tuple(judges.weak(items.values, before)),
        judges.fingerprints,
    )


class _Summary:
    """Items whose factual values and readings are known."""

    def __init__(self, judges: Judges, items: Items, before: Mapping[str, Tensor]) -> None:
        self.graph, self.items, self.before = judges.graph, items, before
        self.floors = {
            name: deviation(self.graph[name], [value], [items.values[name]], items.values[name], items.weights)
            for name, value in before.items()
        }

    def effect(self, name: str, measured: Sequence[Measured]) -> Effect:
        """The effect of setting `name`, over all models."""
        variable, target = self.graph[name], self.items.targets[name]
        after = [each["read"][name] for each in measured]
        error = deviation(variable, after, [target] * len(measured), target, self.items.weights)
        drifts = {other: self._drift(other, measured) for other in self.before if other != name}
        numeric = {}
        if not variable.discrete:
            numeric["median_error"] = self._pool(lambda read: median(relative(variable, read, target, target)), after)
            numeric["slope"] = self._pool(lambda read: slope(target, read), after)
        return Effect(
            name=name,
            unit=unit_of(self.graph, name),
            target=target,
            measured=torch.stack(after),
            error=error.percent,
            mae=error.mae,
            floor=self.floors[name].percent,
            floor_mae=self.floors[name].mae,
            drift={other: drift.percent for other, drift in drifts.items()},
            drift_mae={other: drift.mae for other, drift in drifts.items() if not drift.mae.missing},
            change=self._pool(mean, [each["change"]["change"] for each in measured]),
            outside=pool(
                [ratio(each["change"]["outside"], each["change"]["change"]) for each in measured], self.items.weights
            ),
            **numeric,
        )

    def _pool(self, statistic: Callable[[Tensor], Statistic], values: Sequence[Tensor]) -> Estimate:
        return pool([statistic(one) for one in values], self.items.weights)

    def _drift(self, name: str, measured: Sequence[Measured]) -> Deviation:
        """How far the reading of `name` moved beyond what its value did."""
        after = [each["read"][name] for each in measured]
        expected = [self._expected(name, each["became"][name]) for each in measured]
        return deviation(self.graph[name], after, expected, self.items.values[name], self.items.weights)

    def _expected(self, name: str, became: Tensor) -> Tensor:
        """The reading of `name`, had it moved as its value did; exactly the factual one where that did not move."""
        was, before = self.items.values[name], self.before[name]
        moved = became if self.graph[name].discrete else before + (became - was)
        return torch.where(became == was, before, moved)
