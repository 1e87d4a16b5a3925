"""Values as tensors: what users write, checked against the graph in natural units; and nests of tensors, row by row.

A nest is a tensor, or a mapping, tuple or NamedTuple of nests. The first dimension of all its tensors counts the rows. A column
that is `Stored` on disk may stand where a tensor does; its rows are tensors.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from hashlib import sha256
from numbers import Number
from reprlib import repr as brief
from typing import Any, Protocol, TypeAlias, TypeVar, cast

import torch
from numpy import float64
from numpy.ma import MaskedArray
from torch import Tensor

from causalimg.errors import check_known, wrong_kind
from causalimg.graph import Graph, Image, Variable
from causalimg.stored import Stored

World = dict[str, Tensor]
"""Values by variable: continuous float32 (batch,), categorical int64 (batch,), images float32 (batch, C, H, W)."""

Nest: TypeAlias = Tensor | Mapping[str, "Nest"] | tuple["Nest", ...]
"""A tensor, or a mapping, tuple or NamedTuple of nests."""

AnyNest = TypeVar("AnyNest", bound=Nest)
Result = TypeVar("Result", bound=Nest)


class Columns(Protocol):
    """Values by name: a mapping, or a `Table`."""

    def keys(self) -> Iterable[str]:
        """The names."""
        ...

    def __getitem__(self, name: str, /) -> Any: ...


def in_words(variable: Variable, values: Tensor) -> list[Any]:
    """Numbers (n,) as they are, levels by name."""
    return [variable.say(value) if variable.discrete else value for value in values.tolist()]


def by_name(what: str, given: Any, expected: str = "values by name or a Table") -> Columns:
    """`given`, if it has names and values. Raises TypeError, which calls it `what` and says what is `expected`, if not."""
    if isinstance(given, type) or not (hasattr(given, "keys") and hasattr(given, "__getitem__")):
        raise wrong_kind(what, expected, given)
    return cast(Columns, given)


def columns(graph: Graph, given: Columns, device: torch.device | str = "cpu") -> tuple[World, bool]:
    """`given` as columns of one length, and whether it was a single item (nothing had a batch dimension).

    A value without a batch dimension counts for all items. Raises ValueError for an unknown variable or level, a wrong
    shape, NaN, a value out of bounds, and lengths that differ; it names the variable and the first row.
    """
    check_variables(graph, given.keys())
    world = {name: column(name, graph[name], given[name], device) for name in given.keys()}  # noqa: SIM118
    batched = {name: len(t) for name, t in world.items() if t.ndim > len(graph[name].value_shape)}
    n = max(batched.values(), default=1) if 0 not in batched.values() else 0
    for name, length in batched.items():
        if length not in (1, n):
            raise ValueError(f"{name}: {length} items, but {max(batched, key=batched.__getitem__)} has {n}")
    rows = {name: t if name in batched else t[None] for name, t in world.items()}
    return {name: widen(t, n) for name, t in rows.items()}, not batched


def check_variables(graph: Graph, names: Iterable[str]) -> None:
    """Raise ValueError for the first of `names` that is no variable of `graph`, or unobserved."""
    for name in names:
        if name in graph.unobserved:
            raise ValueError(f"{name} is declared Unobserved: no value of it is known, and none can be set")
        check_known("variable", [name], graph)


def column(name: str, variable: Variable, value: Any, device: torch.device | str = "cpu") -> Tensor:
    """One variable's value or values as a checked tensor, with or without a batch dimension. One on disk was checked when it was
    written."""
    if isinstance(value, Stored) and value.shape[1:] == variable.value_shape:
        return cast(Tensor, value)
    tensor, shape = _numbers(name, variable, value), variable.value_shape
    if tensor.ndim not in (len(shape), len(shape) + 1) or tensor.shape[tensor.ndim - len(shape) :] != shape:
        raise ValueError(
            f"{name}: expected shape {shape} or (batch, {', '.join(map(str, shape))}), got {tuple(tensor.shape)}"
        )
    check_allowed(name, variable, tensor)
    if variable.discrete:
        return tensor.long().to(device)
    if (beyond := tensor.float().isinf()).any():
        raise ValueError(f"{name}: {tensor[beyond][0].item():g} is beyond what float32 holds, 3.4e38")
    return tensor.float().to(device)


def numbers(what: str, given: Any, allowed: str = "numbers") -> Tensor:
    """`given`, a number, list, array or tensor of real numbers or truth values, as a dense tensor without a gradient; a column on
    disk as one in memory.

    Raises TypeError for anything else, which calls it `what`, and says what is `allowed`.
    """
    if isinstance(given, MaskedArray):
        raise TypeError(f"{what}: a masked array hides what is missing: fill it, or leave its rows out")
    if isinstance(given, Stored):
        return given[:]
    try:
        tensor = torch.as_tensor(float64(given) if isinstance(given, float) else given)
    except (TypeError, ValueError, RuntimeError, OverflowError):
        raise TypeError(f"{what}: expected {allowed}, got {brief(_odd_one(given))}") from None
    if tensor.is_complex() or tensor.is_meta:
        raise TypeError(f"{what}: expected {allowed}, got {brief(given)}, {tensor.dtype}")
    return (tensor if tensor.layout == torch.strided else tensor.to_dense()).detach()


def _odd_one(given: Any) -> Any:
    """What is no number in a list, or `given` itself."""
    return next((one for one in given if not isinstance(one, Number)), given) if isinstance(given, list) else given


def _numbers(name: str, variable: Variable, value: Any) -> Tensor:
    """`value` as a dense tensor of real numbers. Raises TypeError for what is none."""
    tensor = numbers(name, variable.encode(name, value), variable.allowed)
    if tensor.dtype == torch.bool:
        raise TypeError(f"{name}: expected {variable.allowed}, got {brief(value)}, {tensor.dtype}")
    return tensor


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


def limits(variable: Image, images: Tensor) -> tuple[float, float]:
    """Black and white: the variable's bounds or, where it has none, those of `images`."""
    low, high = variable.bounds
    return (images.min().item() if low is None else low, images.max().item() if high is None else high)


def widen(tensor: Tensor, n: int) -> Tensor:
    """`tensor` with `n` rows: as it is or, if it has one, repeated without a copy."""
    return tensor[:].expand(n, *tensor.shape[1:]) if len(tensor) != n else tensor


def map_tensors(change: Callable[[Tensor], Tensor], nest: AnyNest) -> AnyNest:
    """`nest` with `change` made to every tensor, in the order of `leaves`; mappings become dicts, NamedTuples stay what they are.

    Raises TypeError for a part that is neither a tensor nor a mapping or tuple.
    """
    if isinstance(nest, Tensor | Stored):
        return change(nest)  # type: ignore[return-value]
    if isinstance(nest, Mapping):
        return cast(AnyNest, {name: map_tensors(change, part) for name, part in nest.items()})
    if isinstance(nest, tuple):
        parts: list[Any] = [map_tensors(change, part) for part in nest]
        return cast(AnyNest, type(nest)(*parts) if hasattr(nest, "_fields") else tuple(parts))
    raise _no_nest(nest)


def leaves(nest: Nest, path: str = "") -> Iterator[tuple[str, Tensor]]:
    """Every tensor of `nest` with its path: names, fields and positions joined by dots, such as ``held.area``.

    Raises TypeError for a part that is neither a tensor nor a mapping or tuple.
    """
    if isinstance(nest, Tensor | Stored):
        yield path, nest
        return
    if isinstance(nest, Mapping):
        parts: Iterable[tuple[Any, Nest]] = nest.items()
    elif isinstance(nest, tuple):
        parts = zip(getattr(nest, "_fields", range(len(nest))), nest, strict=True)
    else:
        raise _no_nest(nest)
    for name, part in parts:
        yield from leaves(part, f"{path}.{name}" if path else str(name))


def _no_nest(given: object) -> TypeError:
    return TypeError(f"expected tensors, or mappings or tuples of them, got a {type(given).__name__}")


def count_rows(nest: Nest) -> int:
    """The number of rows of `nest`; 0 if it holds no tensor. Raises ValueError where its tensors differ in it."""
    rows = {path: len(tensor) for path, tensor in leaves(nest)}
    if len(set(rows.values())) > 1:
        raise ValueError(f"expected one and the same number of rows, got {rows}")
    return next(iter(rows.values()), 0)


def in_batches(
    function: Callable[[AnyNest], Result], nest: AnyNest, size: int, device: torch.device | str | None = None
) -> Result:
    """What `function` gives for `size` rows of `nest` at a time, joined along the rows.

    Each part is sent to `device` first, if one is given. The function is called once, with what there is, for 0 rows. It
    must give a nest with the same paths for every part. Raises ValueError where the tensors of `nest` differ in rows.
    """

    def part(start: int) -> AnyNest:
        return map_tensors(lambda tensor: tensor[start : start + size].to(device or tensor.device), nest)

    return join_rows([function(part(start)) for start in range(0, max(1, count_rows(nest)), size)])


def join_rows(nests: list[AnyNest]) -> AnyNest:
    """Nests with the same paths, of which there is at least one, as one nest with the rows of all."""
    parts = [dict(leaves(nest)) for nest in nests]
    joined = (torch.cat([part[path] for part in parts]) for path in parts[0])
    return map_tensors(lambda _: next(joined), nests[0])


def digests(columns: Mapping[str, Tensor]) -> dict[str, str]:
    """Of every column, by name: sixteen hex digits of its type, shape and values."""
    return {
        name: column.digest() if isinstance(column, Stored) else _digest(column) for name, column in columns.items()
    }


def in_memory(world: World) -> World:
    """The same, but for columns on disk, which are tensors now."""
    return {name: value[:] if isinstance(value, Stored) else value for name, value in world.items()}


def _digest(column: Tensor) -> str:
    column = column.detach().cpu().contiguous()
    digest = sha256(f"{column.dtype}{tuple(column.shape)}".encode())
    digest.update(column.view(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()[:16]
