"""Interventions relative to the factual value. Any callable from factual to counterfactual value serves as well."""

from typing import TYPE_CHECKING

from pydantic import FiniteFloat

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


def scale(factor: float) -> Scale:
    """An intervention that multiplies the factual value by `factor`."""
    return Scale(factor=factor)


def shift(by: float) -> Shift:
    """An intervention that adds `by`, in the variable's unit, to the factual value."""
    return Shift(by=by)
