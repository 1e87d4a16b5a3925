"""How far readings are from their targets: functions of (reading, target, spread) to one distance a row.

`spread`, 0-d, is the variable's standard deviation in the training data, so that years and mm² weigh alike. Any function of the
same form will do as the `distance` of a `Target` or `Hold`. Categorical variables have their own: the cross-entropy.
"""

from collections.abc import Callable

from torch import Tensor

Distance = Callable[[Tensor, Tensor, Tensor], Tensor]
"""(reading (n,), target (n,), spread ()) -> distance (n,), differentiable in the reading."""


def squared(reading: Tensor, target: Tensor, spread: Tensor) -> Tensor:
    """Squared error in standard deviations: what Seg-CFT minimises (Xia et al., 2025, arXiv:2509.24913, eq. 4)."""
    return ((reading - target) / spread).square()


def absolute(reading: Tensor, target: Tensor, spread: Tensor) -> Tensor:
    """Absolute error in standard deviations: small misses count for more, large ones for less."""
    return ((reading - target) / spread).abs()


def relative(reading: Tensor, target: Tensor, spread: Tensor) -> Tensor:
    """Squared error as a fraction of the target, softened by a fifth of the spread: small values matter as much as large."""
    return ((reading - target) / (target.abs() + 0.2 * spread)).square()
