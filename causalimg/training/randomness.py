"""Randomness of training: it is repeatable, and leaves the user's own random state as it was.

Batches are drawn at random out of a nest of tensors held in memory (see `values`).
"""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

from causalimg.errors import as_seed
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
        finite = column.isfinite()
        if not finite.all():
            raise ValueError(f"{label}: {name!r} is not finite in row {int(finite.logical_not().nonzero()[0, 0])}")


def batches(data: AnyNest, size: int, device: torch.device, seed: int, rank: int, ranks: int) -> Iterator[AnyNest]:
    """Batches on `device`, for ever: each epoch is a new permutation, shared out among `ranks` processes.

    Rows that don't fill a batch of `size` wait for a later epoch; where there are fewer, all of them are the batch.
    """
    rows = count_rows(data)
    each = rows // ranks
    size = min(size, each)
    store = device if fits(data, device) else torch.device("cpu")
    data = map_tensors(lambda column: column.to(store), data)
    generator = torch.Generator().manual_seed(seed)
    while True:
        order = torch.randperm(rows, generator=generator).to(store)[rank::ranks]
        for index in order[: each // size * size].reshape(-1, size).unbind():
            yield pick(data, index, device)


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
