"""Randomness of training: it is repeatable, and leaves the user's own random state as it was.

Batches are drawn at random out of a nest of tensors held in memory, or of columns on disk (see `values`).
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from itertools import islice
from typing import Any

import torch
from torch import Tensor

from causalimg.errors import as_seed
from causalimg.stored import Stored
from causalimg.training.processes import check_shared_out
from causalimg.values import AnyNest, Nest, count_rows, leaves, map_tensors


@contextmanager
def seeded(seed: int, device: torch.device) -> Iterator[None]:
    """Draw from `seed` for a while, on the CPU and on `device`. Raises what `as_seed` raises."""
    number = as_seed(seed)
    others = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(others):
        torch.manual_seed(number)
        yield


def check_columns(data: Nest, label: str, least: int) -> None:
    """Raise ValueError if columns differ in length, have not even `least` rows, or hold a value that is not finite."""
    rows = {path: len(column) for path, column in leaves(data)}
    if len(set(rows.values())) != 1 or min(rows.values()) < least:
        raise ValueError(f"{label}: columns of data need one and the same number of rows, at least {least}; got {rows}")
    for name, column in leaves(data):
        finite = torch.ones(()) if isinstance(column, Stored) else column.isfinite()  # was checked when it was written
        if not finite.all():
            raise ValueError(f"{label}: {name!r} is not finite in row {int(finite.logical_not().nonzero()[0, 0])}")


def batches(
    data: AnyNest, size: int, device: torch.device, seed: int, rank: int, ranks: int, done: int = 0
) -> Iterator[AnyNest]:
    """What process `rank` of `ranks` has of batches of `size`, on `device`, for ever, without the first that are `done`: each
    epoch is a new permutation.

    Rows that don't fill a batch wait for a later epoch; where there are fewer, all of them are the batch (or as many as can be
    shared out). Of what is on disk the next batches are read while one is used. Raises ValueError where a batch can't be shared
    out.
    """
    check_shared_out(size, ranks)
    store = device if fits(data, device) else torch.device("cpu")
    data = map_tensors(lambda column: column.to(store), data)
    on_disk = any(isinstance(column, Stored) for _, column in leaves(data))
    orders = islice(_orders(count_rows(data), size, store, seed, rank, ranks), done, None)
    yield from (ahead if on_disk else map)(lambda index: pick(data, index, device), orders)


def _orders(rows: int, size: int, store: torch.device, seed: int, rank: int, ranks: int) -> Iterator[Tensor]:
    """The rows of each batch that a process has."""
    size = min(size, rows // ranks * ranks)
    generator = torch.Generator().manual_seed(seed)
    while True:
        order = torch.randperm(rows, generator=generator).to(store)[: rows // size * size]
        yield from order.reshape(-1, size)[:, rank::ranks].unbind()


AHEAD = 3
"""So many batches are read before they are needed."""


def ahead(read: Callable[[Tensor], Any], orders: Iterable[Tensor]) -> Iterator[Any]:
    """What `read` gives for each of `orders`, in their order; the next ones are read in a thread of their own."""
    with ThreadPoolExecutor(1) as reader:
        waiting: deque[Future[Any]] = deque()
        for order in orders:
            waiting.append(reader.submit(read, order))
            if len(waiting) > AHEAD:
                yield waiting.popleft().result()
        yield from (one.result() for one in waiting)


def pick(data: AnyNest, index: Tensor, device: torch.device) -> AnyNest:
    """The rows `index` of `data`, on `device`."""
    return map_tensors(lambda column: deliver(column[index], device), data)


def fits(data: Nest, device: torch.device) -> bool:
    """Whether `data` takes at most half of the free memory of `device`."""
    if device.type != "cuda":
        return True
    return 2 * sum(column.nbytes for _, column in leaves(data)) <= torch.cuda.mem_get_info(device)[0]


def deliver(rows: Tensor, device: torch.device) -> Tensor:
    """`rows` on `device`; from the host through pinned memory, so that nothing waits for the copy."""
    return rows if rows.device == device else rows.pin_memory().to(device, non_blocking=True)
