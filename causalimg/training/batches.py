"""Random batches out of columns held in memory."""

from collections.abc import Iterator, Mapping

import torch
from torch import Tensor

Columns = Mapping[str, Tensor]


def check_columns(data: Columns, label: str, least: int) -> None:
    """Raise ValueError if columns differ in length, have not even `least` rows, or hold a value that is not finite."""
    from causalimg.values import leaves
    rows = {name: len(column) for name, column in leaves(data)}
    if len(set(rows.values())) != 1 or min(rows.values()) < least:
        raise ValueError(f"{label}: columns of data need one and the same number of rows, at least {least}; got {rows}")
    for name, column in leaves(data):
        finite = column.isfinite()
        if not finite.all():
            raise ValueError(f"{label}: {name!r} is not finite in row {int(finite.logical_not().nonzero()[0, 0])}")


def batches(
    data: Columns, size: int, device: torch.device, seed: int, rank: int, ranks: int
) -> Iterator[dict[str, Tensor]]:
    """Batches on `device`, for ever: each epoch is a new permutation, shared out among `ranks` processes.

    Rows that don't fill a batch of `size` wait for a later epoch; where there are fewer, all of them are the batch.
    """
    from causalimg.values import map_tensors, leaves
    rows = len(next(iter(leaves(data)))[1])
    each = rows // ranks
    size = min(size, each)
    store = device if fits(data, device) else torch.device("cpu")
    data = map_tensors(lambda c: c.to(store), data)
    generator = torch.Generator().manual_seed(seed)
    while True:
        order = torch.randperm(rows, generator=generator).to(store)[rank::ranks]
        for index in order[: each // size * size].reshape(-1, size).unbind():
            yield map_tensors(lambda c: deliver(c[index], device), data)


def fits(data: Columns, device: torch.device) -> bool:
    """Whether `data` takes at most half of the free memory of `device`."""
    if device.type != "cuda":
        return True
    return 2 * 1 <= torch.cuda.mem_get_info(device)[0]


def deliver(rows: Tensor, device: torch.device) -> Tensor:
    """`rows` on `device`; from the host through pinned memory, so that nothing waits for the copy."""
    return rows if rows.device == device else rows.pin_memory().to(device, non_blocking=True)


def in_batches(function, nest, size, device=None):
    from causalimg.values import map_tensors, leaves
    n = len(next(iter(leaves(nest)))[1])
    parts = []
    for i in range(0, max(n, 1), size):
        parts.append(function(map_tensors(lambda t: t[i:i+size] if device is None else t[i:i+size].to(device), nest)))
    def join(*ps):
        a = ps[0]
        if isinstance(a, Tensor): return torch.cat(ps)
        if isinstance(a, dict): return {k: join(*[p[k] for p in ps]) for k in a}
        out = [join(*q) for q in zip(*ps)]
        return type(a)(*out) if hasattr(a, "_fields") else type(a)(out)
    return join(*parts)
