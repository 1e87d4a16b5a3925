"""Several processes that train one model: each has its share of every batch, and together they draw what one process would.

A launcher such as ``torchrun`` starts them, and says in the environment how many they are; each runs the same program. Only the
first writes files.
"""

import os
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor, distributed
from torch.overrides import TorchFunctionMode

LIKE, SIZED, IN_PLACE = ("randn_like", "rand_like"), ("randn", "rand"), ("normal_", "uniform_", "exponential_")


def launched() -> int:
    """How many processes a launcher such as torchrun started: 1 where none did, and Lightning Fabric may start some."""
    return int(os.environ["WORLD_SIZE"]) if "LOCAL_WORLD_SIZE" in os.environ else 1


def is_first() -> bool:
    """Whether this is the process that writes files and says what happens."""
    if distributed.is_initialized():
        return distributed.get_rank() == 0
    return int(os.environ.get("RANK", "0")) == 0


def wait_for_others() -> None:
    """Until all processes are here."""
    if distributed.is_initialized():
        distributed.barrier()


def check_shared_out(batch: int, ranks: int) -> None:
    """Raise ValueError where `ranks` processes can't each have the same number of rows of a batch."""
    if batch % ranks:
        raise ValueError(f"batch={batch} can't be shared out among {ranks} processes: say a multiple of {ranks}")


class SharedDraws(TorchFunctionMode):
    """While it is active, what is drawn for each row of a share of `rows` is what one process would draw for it.

    The share of process `rank` is every row of a batch whose number is `rank` modulo `ranks`. Draws for all rows are made, from
    the same seed in every process, and those of the share are kept; what isn't drawn for each row is the same in all.
    """

    def __init__(self, rows: int, rank: int, ranks: int) -> None:
        super().__init__()
        self.rows, self.rank, self.ranks = rows, rank, ranks

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        name, given = getattr(func, "__name__", ""), dict(kwargs or {})
        if name in LIKE and self._is_share(args[0].shape):
            return self._kept(func(self._all_of(args[0]), **given))
        if name in IN_PLACE and self._is_share(args[0].shape):
            return args[0].copy_(self._kept(func(self._all_of(args[0]), *args[1:], **given)))
        if name in SIZED and self._is_share(size := _size(args)):
            return self._kept(func((size[0] * self.ranks, *size[1:]), **given))
        if name == "randint" and self._is_share(size := args[-1]):
            return self._kept(func(*args[:-1], (size[0] * self.ranks, *size[1:]), **given))
        return func(*args, **given)

    def _is_share(self, shape: Any) -> bool:
        return isinstance(shape, tuple) and len(shape) > 0 and shape[0] == self.rows

    def _all_of(self, share: Tensor) -> Tensor:
        """Room for all rows, as `share` lies in memory, which is the order in which numbers are drawn."""
        size = (len(share) * self.ranks, *share.shape[1:])
        return torch.empty_strided(size, share.stride(), dtype=share.dtype, device=share.device)

    def _kept(self, drawn: Tensor) -> Tensor:
        return drawn[self.rank :: self.ranks]


def shared_draws(rows: int, rank: int, ranks: int) -> AbstractContextManager[Any]:
    """`SharedDraws` among `ranks` processes; of one alone nothing, which costs nothing."""
    return SharedDraws(rows, rank, ranks) if ranks > 1 else nullcontext()


def _size(args: tuple[Any, ...]) -> tuple[int, ...]:
    """The shape that a factory is called with: ``randn(2, 3)`` or ``randn((2, 3))``."""
    return tuple(args[0]) if args and isinstance(args[0], tuple | list | torch.Size) else tuple(args)
