"""Interventions that say a value in terms of others: of the factual one, or of those that training saw; and grids of values.

Any callable from factual to counterfactual value serves as well.
"""

from collections.abc import Sequence
from itertools import product
from typing import TYPE_CHECKING, Any

from pydantic import Field, FiniteFloat

from causalimg.graph.spec import Spec

if TYPE_CHECKING:
    from torch import Tensor


class Scale(Spec):
    """``do(lv_area=scale(1.2))``: the factual value times `factor`."""

    factor: FiniteFloat

    def __call__(self, factual: "Tensor") -> "Tensor":
        return factual * self.factor


class Shift(Spec):
    """``do(age=shift(10))``: the factual value plus `by`, in the variable's unit."""

    by: FiniteFloat

    def __call__(self, factual: "Tensor") -> "Tensor":
        return factual + self.by


class TrainingPercentile(Spec):
    """``do(lv_area=percentile(90))``: the value below which `percent` of the training rows lie."""

    percent: FiniteFloat = Field(ge=0, le=100)

    def of(self, rows: "Tensor") -> "Tensor":
        """That of the numbers `rows` (n,), between two of them where it falls there."""
        return rows.double().quantile(self.percent / 100)


def scale(factor: float) -> Scale:
    """An intervention that multiplies the factual value by `factor`."""
    return Scale(factor=factor)


def shift(by: float) -> Shift:
    """An intervention that adds `by`, in the variable's unit, to the factual value."""
    return Shift(by=by)


def percentile(percent: float) -> TrainingPercentile:
    """An intervention: the value below which `percent` of the rows lie on which the model's image was fitted."""
    return TrainingPercentile(percent=percent)


def share(text: str) -> Scale:
    """``"70%"`` as `scale` (0.7). Raises ValueError for what is no such text, or has a sign: a change is no share."""
    number = text.strip().removesuffix("%").strip()
    try:
        percent = float(number)
    except ValueError:
        raise ValueError(f"expected a share of the factual value, such as '70%', got {text!r}") from None
    if number[0] in "+-":
        raise ValueError(f"{text!r}: say what the value becomes, '{100 + percent:g}%', and not by how much it changes")
    return Scale(factor=percent / 100)


def grid(**axes: Sequence[Any]) -> dict[str, list[Any]]:
    """Every combination of values, aligned: ``model.do(one, **grid(lv_area=[600, 900], age=[40, 60, 80]))``, six questions.

    The last variable varies fastest. Raises TypeError where an axis is no sequence of values.
    """
    for name, values in axes.items():
        if isinstance(values, str) or not hasattr(values, "__iter__"):
            raise TypeError(f"{name}: expected several values, such as [600, 900], got {values!r}")
    rows = list(product(*(values.tolist() if hasattr(values, "tolist") else values for values in axes.values())))
    return {name: [row[i] for row in rows] for i, name in enumerate(axes)}
