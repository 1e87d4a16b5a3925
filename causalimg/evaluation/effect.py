"""What judges say of a model's interventions, as a value: a table, or plain data."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from torch import Tensor

from causalimg.errors import check_known
from causalimg.evaluation.bootstrap import NONE, Estimate
from causalimg.evaluation.miss import Miss
from causalimg.evaluation.tables import Cell, Table, labelled, numbers


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

    `floors`: the judge's own error on the factual images, of all that it reads. `models`: how many were averaged.
    """

    effects: Mapping[str, Effect]
    judge: str
    guided: bool
    n: int
    groups: int
    floors: Mapping[str, Miss] = field(default_factory=dict)
    models: int = 1

    def __getitem__(self, name: str) -> Effect:
        check_known("judged variable", [name], self.effects)
        return self.effects[name]

    @property
    def matrix(self) -> dict[str, dict[str, Miss]]:
        """By what was set, then by what was read: the error where both are the same, the drift where they are not."""
        return {
            name: {other: _miss(effect, other) for other in [name, *effect.drift]}
            for name, effect in self.effects.items()
        }

    def table(self) -> str:
        """A row for every intervention, in Markdown; in brackets, 95 % intervals."""
        heads = ["do", "error %", "judge's floor %", "median error %", "MAE", "judge's MAE", "slope"]
        heads += ["drift of others %", "change, grey levels", "share outside"]
        return f"{Table(heads, [_cells(effect) for effect in self.effects.values()])}\n\n{self.caption()}\n"

    def caption(self) -> str:
        """What the numbers rest on."""
        said = [f"{self.n} items, {self.groups} groups, judge {self.judge}; in brackets, 95 % intervals over groups."]
        if self.guided:
            said.insert(0, f"**{GUIDED}**")
        if self.models > 1:
            said.append(f"Means of {self.models} models, ± the standard deviation between them (lowest to highest).")
        for effect in self.effects.values():
            zeros = int((effect.target == 0).sum()) if effect.target.is_floating_point() else 0
            if zeros:
                said.append(f"{zeros} targets of {effect.name} are 0 and have no relative error.")
        return " ".join(said)

    def to_data(self) -> dict[str, Any]:
        """The same as plain JSON data."""
        effects = {name: effect.to_data() for name, effect in self.effects.items()}
        floors = {name: floor.to_data() for name, floor in self.floors.items()}
        said = {"judge": self.judge, "guided": self.guided, "n": self.n, "groups": self.groups, "models": self.models}
        return {**said, "effects": effects, "floors": floors}


GUIDED = "The judge guided this model: these numbers flatter it."
"""The warning where the refusal was overridden."""


def _miss(effect: Effect, other: str) -> Miss:
    if other == effect.name:
        return Miss(effect.error, effect.mae)
    return Miss(effect.drift[other], effect.drift_mae.get(other, NONE))


def _cells(effect: Effect) -> list[Cell]:
    drift = Cell("; ".join(f"{name} {estimate}" for name, estimate in effect.drift.items()) or "–")
    known = numbers(effect.error, effect.floor, effect.median_error, effect.mae, effect.floor_mae, effect.slope)
    return [Cell(effect.label), *known, drift, *numbers(effect.change, effect.outside)]
