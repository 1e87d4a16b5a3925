"""What a judge says of a model's interventions, as a value: a table, or plain data."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from torch import Tensor

from causalimg.errors import check_known
from causalimg.evaluation.bootstrap import NONE, Estimate


@dataclass(frozen=True, eq=False)
class Effect:
    """What ``do(name=target)`` did, as the judge reads it. How to read these numbers: `docs/judging.md`.

    `target` and `measured`, shape (n,), are what was asked for and what was read. An item whose target is 0 has no relative
    error; it counts in `mae`. A categorical variable has none of the last four.
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
    median_error: Estimate = NONE
    """The median instead of the mean: what a few small targets can't inflate."""
    mae: Estimate = NONE
    """Mean of |measured − target|, in the variable's unit."""
    floor_mae: Estimate = NONE
    """The judge's own on the factual images."""
    slope: Estimate = NONE
    """Of measured on target: 1 is what was asked for, 0 is an image that ignores its cause."""

    def to_data(self) -> dict[str, Any]:
        """The estimates as plain JSON data: [value, low, high], or None where there is none."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        data = {name: value.to_data() for name, value in values.items() if isinstance(value, Estimate)}
        return {"unit": self.unit, **data, "drift": {name: drift.to_data() for name, drift in self.drift.items()}}


@dataclass(frozen=True, eq=False)
class Effectiveness:
    """The effect of every intervention in `effects`, on `n` items of `groups` groups, as the reader `judge` sees it."""

    effects: Mapping[str, Effect]
    judge: str
    guided: bool
    n: int
    groups: int

    def __getitem__(self, name: str) -> Effect:
        check_known("judged variable", [name], self.effects)
        return self.effects[name]

    def table(self) -> str:
        """A row for every intervention, in Markdown; in brackets, 95 % intervals."""
        heads = ["do", "error %", "judge's floor %", "median error %", "MAE", "judge's MAE", "slope"]
        heads += ["drift of others %", "change, grey levels", "share outside"]
        return f"{markdown(heads, [_cells(effect) for effect in self.effects.values()])}\n\n{self.caption()}\n"

    def caption(self) -> str:
        """What the numbers rest on."""
        said = [f"{self.n} items, {self.groups} groups, judge {self.judge}; in brackets, 95 % intervals over groups."]
        if self.guided:
            said.insert(0, "**The judge guided this model: these numbers flatter it.**")
        for effect in self.effects.values():
            zeros = int((effect.target == 0).sum()) if effect.target.is_floating_point() else 0
            if zeros:
                said.append(f"{zeros} targets of {effect.name} are 0 and have no relative error.")
        return " ".join(said)

    def to_data(self) -> dict[str, Any]:
        """The same as plain JSON data."""
        effects = {name: effect.to_data() for name, effect in self.effects.items()}
        return {"judge": self.judge, "guided": self.guided, "n": self.n, "groups": self.groups, "effects": effects}


def _cells(effect: Effect) -> list[str]:
    drift = "; ".join(f"{name} {estimate}" for name, estimate in effect.drift.items()) or "–"
    numbers = (effect.error, effect.floor, effect.median_error, effect.mae, effect.floor_mae, effect.slope)
    return [label(effect), *map(str, numbers), drift, str(effect.change), str(effect.outside)]


def label(effect: Effect) -> str:
    """The variable with its unit: ``lv_area [mm2]``."""
    return f"{effect.name} [{effect.unit}]" if effect.unit else effect.name


def markdown(heads: list[str], rows: list[list[str]]) -> str:
    """A Markdown table."""
    return "\n".join(f"| {' | '.join(cells)} |" for cells in [heads, ["---"] * len(heads), *rows])
