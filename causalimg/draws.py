"""What abduction leaves open, drawn for each item by itself.

An item's draws come from a generator of its own, seeded by a digest of its values, the variable, the number of the draw, and the
user's seed. So an item's answer is the same alone, in any batch, in any order, from any thread, on any device; the first draws of
many are those of few; and the global random state is neither read nor changed. Items with the same values have the same draws.
(torch's generators take 32 bits of a seed: of many ten thousand draws, a few are the same by chance.)
"""

from collections.abc import Mapping
from hashlib import blake2b
from typing import NamedTuple, Self

import torch
from torch import Generator, Tensor

from causalimg.errors import as_seed, whole
from causalimg.mechanisms.mechanism import Mechanism, Noise
from causalimg.values import join_rows


class Draws(NamedTuple):
    """`particles` draws for each of `items`, told apart by their digests."""

    items: tuple[bytes, ...]
    seed: int = 0
    particles: int = 1

    @classmethod
    def of(cls, values: Mapping[str, Tensor], seed: int = 0, particles: int = 1) -> Self:
        """Of items with these `values`, (n, ...) by name.

        Raises TypeError for a seed or particles that are no whole numbers, ValueError for less than one particle.
        """
        seed, particles = as_seed(seed), whole("particles", particles, 1)
        names = " ".join(values).encode()
        columns = [value.detach().cpu().contiguous().numpy() for value in values.values()]
        items = (_digest(names, *(row.tobytes() for row in item)) for item in zip(*columns, strict=True))
        return cls(tuple(items), seed, particles)

    def prior(self, mechanism: Mechanism, name: str) -> Noise:
        """Draws of `mechanism.noise` for the variable `name`: (items * particles, ...), item by item."""
        if not self.items:
            return mechanism.noise(0)
        keys = [(item, particle) for item in self.items for particle in range(self.particles)]
        return join_rows([mechanism.noise(1, self.generator(item, name, particle)) for item, particle in keys])

    def generator(self, item: bytes, name: str, particle: int = 0) -> Generator:
        """Of one draw of one of `items`, for the variable `name`, or for a purpose in words: no variable has a blank in it."""
        key = _digest(item, f"{self.seed} {particle} {name}".encode())
        return torch.Generator().manual_seed(int.from_bytes(key, signed=True))


def middle(drawn: Tensor) -> Tensor:
    """The mean of draws (n, draws, ...), exactly what they are where they are one; of levels, the most frequent."""
    if not drawn.is_floating_point():
        return drawn.mode(dim=1).values
    return drawn[:, 0] + (drawn - drawn[:, :1]).mean(dim=1)


def _digest(*parts: bytes) -> bytes:
    """Eight bytes."""
    digest = blake2b(digest_size=8)
    for part in parts:
        digest.update(part)
    return digest.digest()
