"""How far readings were from what they should have been, on rows that were kept for it: what makes an interval hold.

*Distribution-Free Predictive Inference for Regression* (Lei et al., JASA 2018, arXiv:1604.04173). The score of a question is the
miss of the mean reading m, in units of the spread s of its draws and a floor f, the mean spread (1 where draws never differ)::

    score = |m - v'| / (s + f)            v' what was set, or what should have stayed
    m ± q (s + f)                         holds v' in a new question with probability `level`, q being of n scores
                                          the ceil((n + 1) level)-th

as far as new questions are like those of the scores.
"""

from collections.abc import Mapping
from math import ceil, inf
from typing import NamedTuple

import torch
from torch import Tensor

from causalimg.errors import check_known


class Scores(NamedTuple):
    """By variable: scores of questions that moved it and of those that did not, (questions,) each, and the spread's floor."""

    moved: Mapping[str, Tensor]
    held: Mapping[str, Tensor]
    floor: Mapping[str, float]

    def reach(self, name: str, moved: Tensor, spread: Tensor, level: float) -> Tensor:
        """Half the width of the interval in each row, (rows,): where it `moved`, bool, and of its `spread`.

        Raises ValueError for a variable without scores.
        """
        check_known("variable whose intervals are calibrated", [name], self.floor)
        far, near = (_quantile(scores[name], level) for scores in (self.moved, self.held))
        return torch.where(moved, far, near) * (spread + self.floor[name])


def score(mean: Tensor, spread: Tensor, true: Tensor, floor: float) -> Tensor:
    """The scores of rows, (rows,)."""
    return (mean - true).abs() / (spread + floor)


def _quantile(scores: Tensor, level: float) -> float:
    """Infinite where there are too few scores for the level."""
    rank = ceil((len(scores) + 1) * level)
    return scores.sort().values[rank - 1].item() if rank <= len(scores) else inf
