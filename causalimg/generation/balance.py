"""Which rows to ask about, and what, so that the answers even out a table."""

from typing import NamedTuple

import torch
from torch import Tensor

from causalimg.errors import as_seed, check_given, check_known
from causalimg.given import as_columns
from causalimg.graph import Categorical, Graph
from causalimg.values import Columns


class Balance(NamedTuple):
    """`rows` of a table, (n,), and the level that each is to get, (n,): with the answers, each level occurs as often as the most
    frequent one."""

    rows: Tensor
    levels: Tensor


def balance(graph: Graph, values: Columns, name: str, seed: int = 0) -> Balance:
    """What evens out the levels `name` of the columns `values`: rows are drawn from those of all other levels.

    None is drawn twice for one level while there are others. Raises ValueError for what is no categorical variable, where all
    rows have one level, and where all levels are equally frequent.
    """
    check_known("variable", [name], graph)
    if not isinstance(variable := graph[name], Categorical):
        raise ValueError(f"{name} has numbers, and only levels can be evened out")
    check_given("column", [name], values.keys())
    (column,), dice = as_columns(graph, {name: values[name]})[0].values(), torch.Generator().manual_seed(as_seed(seed))
    counts = column.bincount(minlength=len(variable.levels))
    if int((counts > 0).sum()) < 2:
        raise ValueError(f"all rows have one level of {name}: there is nothing to even out")
    if len(counts.unique()) == 1:
        raise ValueError(f"the levels of {name} are equally frequent: there is nothing to even out")
    drawn = [_drawn((column != level).nonzero()[:, 0], int(counts.max() - n), dice) for level, n in enumerate(counts)]
    levels = [torch.full((len(rows),), level) for level, rows in enumerate(drawn)]
    return Balance(torch.cat(drawn), torch.cat(levels))


def _drawn(rows: Tensor, n: int, dice: torch.Generator) -> Tensor:
    """`n` of `rows`, each as often as any other, or once more."""
    rounds = [rows[torch.randperm(len(rows), generator=dice)] for _ in range(-(-n // len(rows)))]
    return torch.cat(rounds)[:n] if rounds else rows[:0]
