"""What is asked about: held-out items, and for each the value that another item was observed to have."""

from collections.abc import Hashable, Mapping, Sequence
from hashlib import sha256
from typing import NamedTuple

import torch
from torch import Tensor

from causalimg.evaluation.bootstrap import resample
from causalimg.graph import Graph


class Items(NamedTuple):
    """`rows` of the user's data, in the order in which they were drawn, and their `values` on the CPU.

    `targets`: by variable that is set, the value of each item's donor. `weights`: of the bootstrap, see there.
    """

    rows: Tensor
    values: dict[str, Tensor]
    targets: dict[str, Tensor]
    group_of: list[Hashable]
    weights: Tensor

    @property
    def groups(self) -> int:
        """How many groups there are."""
        return len(set(self.group_of))

    def digest(self) -> str:
        """Twelve hex digits of all values: the same for the same items in the same order."""
        found = sha256()
        for value in self.values.values():
            found.update(value.contiguous().view(-1).view(torch.uint8).numpy().tobytes())
        return found.hexdigest()[:12]


def choose(
    graph: Graph,
    values: Mapping[str, Tensor],
    names: Sequence[str],
    n: int | None,
    groups: Sequence[Hashable] | Tensor | None,
    seed: int,
) -> Items:
    """`n` items (default: all), drawn with `seed`, and targets for `names`.

    Raises ValueError for missing variables, for no items, and for groups that are not one for each item.
    """
    if missing := [name for name in graph if name not in values]:
        raise ValueError(f"effectiveness needs the factual value of every variable; missing: {', '.join(missing)}")
    total = len(values[graph.images[0]])
    of_item = range(total) if groups is None else groups.tolist() if isinstance(groups, Tensor) else list(groups)
    if len(of_item) != total:
        raise ValueError(f"expected a group for each of {total} items, got {len(of_item)}")
    generator = torch.Generator().manual_seed(seed)
    rows = torch.randperm(total, generator=generator)[:n]
    if not len(rows):
        raise ValueError("no items to ask about")
    chosen = {name: values[name][rows].cpu() for name in graph}
    targets = {name: chosen[name][torch.randperm(len(rows), generator=generator)] for name in names}
    group_of: list[Hashable] = [of_item[row] for row in rows.tolist()]
    return Items(rows, chosen, targets, group_of, resample(group_of, seed))
