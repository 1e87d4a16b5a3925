"""Which images a reader is not trained on, so that what its report says is true of images it has not seen."""

import math
from collections.abc import Hashable, Iterable

import torch
from torch import Tensor

SHARE = 0.15


def hold_out(n: int, groups: Iterable[Hashable] | None, seed: int) -> tuple[Tensor, Tensor]:
    """The rows for training and those held out, a `SHARE` of `n` or just above: whole `groups`, where a group is given
    for every row (images of one patient are alike).

    Raises ValueError if there are not `n` groups, or not two different ones.
    """
    named = list(range(n)) if groups is None else [g.item() if isinstance(g, Tensor) else g for g in groups]
    if len(named) != n:
        raise ValueError(f"groups: expected one for each of {n} images, got {len(named)}")
    rows: dict[Hashable, list[int]] = {}
    for row, group in enumerate(named):
        rows.setdefault(group, []).append(row)
    if len(rows) < 2:
        raise ValueError(
            f"holding images out needs at least 2 {'images' if groups is None else 'groups'}, got {len(rows)}"
        )
    order = torch.randperm(len(rows), generator=torch.Generator().manual_seed(seed)).tolist()
    shuffled = [list(rows.values())[i] for i in order]
    held = shuffled.pop()
    while len(shuffled) > 1 and len(held) < math.ceil(SHARE * n):
        held = held + shuffled.pop()
    return torch.tensor(sorted(set(range(n)) - set(held))), torch.tensor(sorted(held))
