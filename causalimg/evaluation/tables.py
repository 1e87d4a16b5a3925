"""Tables whose cells are numbers, in Markdown; `page` draws the same ones in HTML."""

from collections.abc import Sequence
from typing import NamedTuple

from causalimg.evaluation.bootstrap import Estimate, brief
from causalimg.evaluation.miss import Miss
from causalimg.graph import Continuous, Graph

WORST = 40.0
"""An error, in %, at which a shaded cell is darkest."""


class Cell(NamedTuple):
    """What a cell says, `details` in small print, and `heat` in [0, 1] if it is shaded. `strong`: it stands out."""

    text: str
    details: tuple[str, ...] = ()
    heat: float | None = None
    strong: bool = False

    def __str__(self) -> str:
        text = " ".join([self.text, *self.details])
        return f"**{text}**" if self.strong else text


class Table(NamedTuple):
    """A heading for every column, and a row of cells for every line."""

    heads: Sequence[str]
    rows: Sequence[Sequence[Cell]]

    def __str__(self) -> str:
        lines = [self.heads, ["---"] * len(self.heads), *([str(cell) for cell in row] for row in self.rows)]
        return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def number(estimate: Estimate) -> Cell:
    """An estimate with its range."""
    return Cell("–") if estimate.missing else Cell(brief(estimate.value), estimate.ranges())


def numbers(*estimates: Estimate) -> list[Cell]:
    """A cell for each of `estimates`."""
    return [number(estimate) for estimate in estimates]


def ratio(part: Estimate, whole: Estimate) -> Cell:
    """How many times `whole` is `part`."""
    return Cell(brief(part.value / whole.value) if whole.value and not (whole.missing or part.missing) else "–")


def shaded(miss: Miss, unit: str, *, strong: bool = False) -> Cell:
    """A miss in %, shaded by its size, with its range and what it is in the variable's unit."""
    if miss.percent.missing:
        return Cell("–")
    absolute = () if miss.mae.missing else (f"= {brief(miss.mae.value)} {unit}".rstrip(),)
    details = (*absolute, *miss.percent.ranges())
    return Cell(f"{brief(miss.percent.value)} %", details, min(1.0, miss.percent.value / WORST), strong)


def unit_of(graph: Graph, name: str) -> str:
    """The unit of a variable, if it has one."""
    variable = graph[name]
    return variable.unit if isinstance(variable, Continuous) else ""


def labelled(name: str, unit: str) -> str:
    """A variable with its unit: ``lv_area [mm2]``."""
    return f"{name} [{unit}]" if unit else name
