"""Randomness that is repeatable, and leaves the user's own as it was."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def seeded(seed: int, device: torch.device) -> Iterator[None]:
    """Draw from `seed` for a while, on the CPU and on `device`."""
    others = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(others):
        torch.manual_seed(seed)
        yield
