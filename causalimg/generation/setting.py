"""What is set in each of many rows: checked before the first is asked about, written down, and shared out among parts."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from causalimg.asked import is_relative
from causalimg.errors import wrong_kind
from causalimg.given import as_columns, unpacked
from causalimg.graph.spec import Spec
from causalimg.model import CausalModel
from causalimg.support import check_possible
from causalimg.values import check_variables, digests

Setting = Mapping[str, Any]
"""By variable: a tensor with one value or one for each row, or what is relative to each row: one for all, or a list."""


def settled(model: CausalModel, interventions: Mapping[str, Any], n: int) -> Setting:
    """`interventions` in `n` rows, as `CausalModel.do` takes them, checked as far as no row is needed for it.

    Raises what `do` raises; ValueError for other than one value, or one for each row; and TypeError for a function, of which
    nothing can be written down.
    """
    check_variables(model.graph, interventions)
    setting = {name: _settled(model, name, unpacked(value)) for name, value in interventions.items()}
    for name, value in setting.items():
        if isinstance(value, Tensor | list) and len(value) not in (1, n):
            raise ValueError(f"{name}: {len(value)} values, expected one for each of {n} rows")
    return setting


def _settled(model: CausalModel, name: str, value: Any) -> Any:
    each = list(value) if isinstance(value, list | tuple) else [value]
    if not any(is_relative(model.graph, name, one) for one in each):
        world, _ = as_columns(model.graph, {name: value}, preprocessing=model.preprocessing)
        check_possible(model.graph, world, "do")
        return world[name]
    for one in each:
        if callable(one) and not isinstance(one, Spec):
            raise wrong_kind(name, "a value, scale(...), shift(...), percentile(...) or a share such as '70%'", one)
    return each


def of_rows(setting: Setting, rows: Sequence[int]) -> dict[str, Any]:
    """What is set in some of the rows."""
    return {name: _of_rows(value, rows) for name, value in setting.items()}


def _of_rows(value: Any, rows: Sequence[int]) -> Any:
    if len(value) == 1:
        return value if isinstance(value, Tensor) else value[0]
    return value[torch.as_tensor(rows)] if isinstance(value, Tensor) else [value[row] for row in rows]


def in_writing(setting: Setting) -> dict[str, Any]:
    """The same as plain JSON data: of numbers a digest."""
    tensors = {name: value for name, value in setting.items() if isinstance(value, Tensor)}
    return {name: [repr(one) for one in value] for name, value in setting.items() if name not in tensors} | digests(
        tensors
    )
