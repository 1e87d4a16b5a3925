"""How far readings were from what they should have been, on rows that were kept for it: what makes an interval hold.

*Distribution-Free Predictive Inference for Regression* (Lei et al., JASA 2018, arXiv:1604.04173). The score of a question is the
miss of the mean reading m, in units of the spread s of its draws and a floor f, the mean spread (1 where draws never differ)::

    score = |m - v'| / (s + f)            v' what it should read
    m ± q (s + f)                         holds v' in a new question with probability `level`, q being of n scores
                                          the ceil((n + 1) level)-th

as far as new questions are like those of the scores.
"""

from collections.abc import Mapping
from math import ceil
from typing import NamedTuple, Self

import torch
from torch import Tensor


class Scores(NamedTuple):
    """Of one reading under one kind of question: scores, (questions,), and the floor of the spread."""

    scores: Tensor
    floor: float

    @classmethod
    def of(cls, mean: Tensor, spread: Tensor, true: Tensor) -> Self:
        """Of readings with this mean and spread, and what they should be, (questions,). Raises ValueError for NaN, or none."""
        if not len(true) or not (mean + spread + true).isfinite().all():
            raise ValueError(f"{len(true)} readings to score, {int((~mean.isfinite()).sum())} of them not finite")
        floor = spread.mean().item() or 1.0
        return cls((mean - true).abs() / (spread + floor), floor)

    def reach(self, spread: Tensor, level: float) -> Tensor:
        """Half the width of intervals of readings with this `spread`, of its shape. Raises ValueError for too few scores."""
        n, rank = len(self.scores), ceil((len(self.scores) + 1) * level)
        if rank > n:
            raise ValueError(
                f"an interval of level {level:g} needs at least {ceil(level / (1 - level))} scored rows, not {n}"
            )
        return self.scores.sort().values[rank - 1] * (spread + self.floor)


AllScores = Mapping[tuple[str, str], Scores]
"""By what was set, and what was read."""


def reach_of(scores: AllScores, asked: Mapping[str, Tensor], name: str, spread: Tensor, level: float) -> Tensor:
    """Half the width of intervals of `name` where these variables are `asked` for: the widest of any of them.

    Raises ValueError where no such question was scored.
    """
    if not asked:
        raise ValueError(f"nothing was asked: there is no interval of {name}, which is as it was")
    if missing := [(cause, name) for cause in asked if (cause, name) not in scores]:
        known = ", ".join(f"{read} under do({cause})" for cause, read in scores)
        raise ValueError(f"no interval of {name} under do({missing[0][0]}): scored were {known}")
    return torch.stack([scores[cause, name].reach(spread, level) for cause in asked]).amax(0)
