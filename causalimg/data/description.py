"""What is in a table, in a few numbers: ranges, levels, what is missing or was filled in, and what goes with what."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import combinations
from math import ceil, floor
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor

from causalimg.errors import imported
from causalimg.graph import Categorical, Graph, Variable
from causalimg.stored import Stored
from causalimg.viz.curves import draw_columns

PARTS = ("least", "5 %", "median", "95 %", "most", "mean", "spread")
"""What is said of numbers; the spread is their standard deviation."""


@dataclass(frozen=True)
class Description:
    """What is in a table of `rows` rows; ``print(table.describe())`` shows it.

    `numbers`: by continuous variable and image, `PARTS` of its values, or of its pixels. `levels`: by categorical variable, the
    count of each level. `missing`: the variables of which there is no column. `filled`: who measured what the file lacked.
    `unknown`: by variable, in how many rows it is NaN. `correlations`: by both names, of numbers, and of two levels as 0 and 1.
    `values`: the columns of what is no image.
    """

    rows: int
    numbers: Mapping[str, Mapping[str, float]]
    levels: Mapping[str, Mapping[str, int]]
    missing: tuple[str, ...] = ()
    filled: Mapping[str, str] = field(default_factory=dict)
    unknown: Mapping[str, int] = field(default_factory=dict)
    correlations: Mapping[tuple[str, str], float] = field(default_factory=dict)
    units: Mapping[str, str] = field(default_factory=dict)
    values: Mapping[str, Tensor] = field(default_factory=dict, repr=False)

    def __str__(self) -> str:
        """All of it as text."""
        parts = [f"{self.rows} rows", *self._numbers(), *self._levels(), *self._correlations()]
        parts += [f"missing: {', '.join(self.missing)}"] * bool(self.missing)
        return "\n".join(parts)

    def _numbers(self) -> list[str]:
        heads = ["", *PARTS, "unit", ""]
        lines = [
            [name, *(f"{value:.4g}" for value in of.values()), self.units.get(name, ""), self._told(name)]
            for name, of in self.numbers.items()
        ]
        widths = [max(map(len, column)) for column in zip(heads, *lines, strict=True)]
        return ["  ".join(map(str.ljust, line, widths)).rstrip() for line in [heads, *lines]] if lines else []

    def _levels(self) -> list[str]:
        return [
            f"{name}: {', '.join(f'{level} {count}' for level, count in counts.items())}  {self._told(name)}".rstrip()
            for name, counts in self.levels.items()
        ]

    def _told(self, name: str) -> str:
        """What there is to say about how a column came to be."""
        said = [f"from {self.filled[name]}"] if name in self.filled else []
        said += [f"{self.unknown[name]} NaN"] if name in self.unknown else []
        return f"({', '.join(said)})" if said else ""

    def _correlations(self) -> list[str]:
        said = [f"{one} and {other} {value:+.2f}" for (one, other), value in self.correlations.items()]
        return [f"correlations: {', '.join(said)}"] if said else []

    def to_frame(self) -> Any:
        """A pandas DataFrame of `numbers`, a row for each variable. Raises ImportError without pandas."""
        return imported("pandas", "pandas").DataFrame.from_dict(self.numbers, orient="index", columns=list(PARTS))

    def plot(self, path: str | Path | None = None) -> Any:
        """A histogram of each number, bars of each variable's levels; written to `path`. Returns the matplotlib figure."""
        numbers = {name: one for name, one in self.values.items() if name in self.numbers}
        return draw_columns(numbers, self.levels, units=self.units, path=path)


SOME = 1000


def described(graph: Graph, values: Mapping[str, Tensor], rows: int, filled: Mapping[str, str]) -> Description:
    """A table of so many `rows`, with these `values` by variable. Of a column on disk `SOME` rows count, spread over all."""
    spread = torch.linspace(0, max(0, rows - 1), min(rows, SOME), dtype=torch.float64).long()
    values = {name: one[spread] if isinstance(one, Stored) else one for name, one in values.items()}
    scalars = {name: one.double() for name, one in values.items() if not graph[name].value_shape}
    return Description(
        rows=rows,
        numbers={name: numbers_of(one) for name, one in values.items() if one.is_floating_point()},
        levels={name: _counts(graph[name], one) for name, one in values.items() if graph[name].discrete},
        missing=tuple(name for name in graph if name not in values),
        filled=dict(filled),
        unknown={name: count for name, one in values.items() if (count := _unknown(one))},
        correlations=_correlations(graph, scalars),
        units={name: unit for name in values if (unit := getattr(graph[name], "unit", ""))},
        values=scalars,
    )


def ranged(variable: Variable, values: Tensor, low: str = "least", high: str = "most") -> str:
    """`values` in words: each level there is with its count; of numbers, from one of `PARTS` to another."""
    if variable.discrete:
        return ", ".join(f"{level} {count}" for level, count in _counts(variable, values).items() if count)
    parts = numbers_of(values)
    return " to ".join(variable.say(parts[part]) for part in (low, high))


def _unknown(values: Tensor) -> int:
    """In how many rows there is a NaN."""
    return int(values.isnan().unsqueeze(-1).flatten(1).any(1).sum())


def numbers_of(values: Tensor) -> dict[str, float]:
    """`PARTS` of the numbers that are known (not NaN); NaN where there is none."""
    values = values[values.isfinite()]
    if not len(values):
        return dict.fromkeys(PARTS, float("nan"))
    within = [_quantile(values, share) for share in (0, 0.05, 0.5, 0.95, 1)]
    both = (values.mean(), values.std(correction=int(len(values) > 1)))
    return dict(zip(PARTS, map(float, (*within, *both)), strict=True))


def _quantile(values: Tensor, share: float) -> Tensor:
    """Between two values where it falls there. (torch's own takes 16 million at most, fewer than a table has pixels.)"""
    at = share * (len(values) - 1)
    below, above = (values.kthvalue(1 + rank).values for rank in (floor(at), ceil(at)))
    return below + (at - floor(at)) * (above - below)


def _counts(variable: Variable, values: Tensor) -> dict[str, int]:
    levels = cast(Categorical, variable).levels
    return dict(zip(levels, values.bincount(minlength=len(levels)).tolist(), strict=True))


def _correlations(graph: Graph, scalars: Mapping[str, Tensor]) -> dict[tuple[str, str], float]:
    """Pearson's, over the rows that have both."""
    ordered = {name: one for name, one in scalars.items() if len(getattr(graph[name], "levels", "12")) == 2}
    found = {}
    for one, other in combinations(ordered, 2):
        both = torch.stack([ordered[one], ordered[other]])
        both = both[:, both.isfinite().all(0)]
        if both.shape[1] > 1 and (both.std(1) > 0).all():
            found[one, other] = float(both.corrcoef()[0, 1])
    return found
