"""What users write, as columns of a batch: checked against the graph, in natural units, with the row in every complaint."""

from collections.abc import Iterable, Mapping
from typing import Any, Protocol

import torch
from torch import Tensor

from causalimg.errors import check_known
from causalimg.graph import Graph, Variable

World = dict[str, Tensor]
"""Values by variable: continuous float32 (batch,), categorical int64 (batch,), images float32 (batch, C, H, W)."""


class Columns(Protocol):
    """Values by name: a mapping, or a `Table`."""

    def keys(self) -> Iterable[str]:
        """The names."""
        ...

    def __getitem__(self, name: str, /) -> Any: ...


def columns(graph: Graph, given: Columns, device: torch.device | str = "cpu") -> tuple[World, bool]:
    """`given` as columns of one length, and whether it was a single item (nothing had a batch dimension).

    A value without a batch dimension counts for all items. Raises ValueError for an unknown variable or level, a wrong
    shape, NaN, a value out of bounds, and lengths that differ; it names the variable and the first row.
    """
    check_known("variable", given.keys(), graph)
    world = {name: column(name, graph[name], given[name], device) for name in given.keys()}  # noqa: SIM118
    batched = {name: len(t) for name, t in world.items() if t.ndim > len(graph[name].value_shape)}
    n = max(batched.values(), default=1) if 0 not in batched.values() else 0
    for name, length in batched.items():
        if length not in (1, n):
            raise ValueError(f"{name}: {length} items, but {max(batched, key=batched.__getitem__)} has {n}")
    rows = {name: t if name in batched else t[None] for name, t in world.items()}
    return {name: widen(t, n) for name, t in rows.items()}, not batched


def column(name: str, variable: Variable, value: Any, device: torch.device | str = "cpu") -> Tensor:
    """One variable's value or values as a checked tensor, with or without a batch dimension."""
    encoded = variable.encode(name, value)
    try:
        tensor = torch.as_tensor(encoded, device=device)
    except (TypeError, ValueError, RuntimeError):
        raise TypeError(f"{name}: expected {variable.allowed}, got {value!r}") from None
    shape = variable.value_shape
    if tensor.ndim not in (len(shape), len(shape) + 1) or tensor.shape[tensor.ndim - len(shape) :] != shape:
        raise ValueError(
            f"{name}: expected shape {shape} or (batch, {', '.join(map(str, shape))}), got {tuple(tensor.shape)}"
        )
    check_allowed(name, variable, tensor)
    return tensor.long() if variable.discrete else tensor.float()


def check_allowed(name: str, variable: Variable, tensor: Tensor) -> None:
    """Raise ValueError if any of the values is NaN or out of bounds: the first such row, and how many there are."""
    wrong = variable.outside(tensor)
    if not wrong.any():
        return
    shape = variable.value_shape
    rows = wrong.reshape(-1, *shape).flatten(1).any(1) if shape else wrong.reshape(-1)
    row = int(rows.nonzero()[0])
    value = tensor.reshape(-1, *shape)[row][wrong.reshape(-1, *shape)[row]].flatten()[0]
    more = f" ({int(rows.sum())} such rows)" if rows.sum() > 1 else ""
    raise ValueError(f"{name}, row {row}: {value.item():g} is not {variable.allowed}{more}")


def widen(tensor: Tensor, n: int) -> Tensor:
    """`tensor` with `n` rows: as it is or, if it has one, repeated without a copy."""
    return tensor.expand(n, *tensor.shape[1:]) if len(tensor) != n else tensor


def map_tensors(change, nest):
    if isinstance(nest, Tensor):
        return change(nest)
    if isinstance(nest, Mapping):
        return {k: map_tensors(change, v) for k, v in nest.items()}
    parts = [map_tensors(change, v) for v in nest]
    return type(nest)(*parts) if hasattr(nest, "_fields") else type(nest)(parts)


def leaves(nest, path=""):
    if isinstance(nest, Tensor):
        yield path, nest
        return
    items = nest.items() if isinstance(nest, Mapping) else zip(getattr(nest, "_fields", range(len(nest))), nest)
    for k, v in items:
        yield from leaves(v, f"{path}.{k}" if path else str(k))
