"""The readers of one graph: who reads which variable off which image."""

from collections.abc import Iterable, Mapping, Sequence

import torch
from torch import Tensor, nn

from causalimg.errors import unknown
from causalimg.graph import Graph
from causalimg.readers.reader import Reader


class ReaderSet(nn.Module):
    """`readers`, asked together. `by_variable` says who reads what.

    Raises ValueError for a reader that reads nothing of `graph`, and for two that read the same variable.
    """

    def __init__(self, graph: Graph, readers: Sequence[Reader]) -> None:
        super().__init__()
        self.graph = graph
        self.readers = list(readers)
        self._registered = nn.ModuleList(readers)
        self.by_variable: dict[str, Reader] = {}
        for reader in readers:
            names = reader.can_read(graph)
            if not names:
                raise ValueError(f"{reader.describe()} reads no variable of {graph.title}")
            for name in names:
                if name in self.by_variable:
                    raise ValueError(
                        f"two readers of {name}: {self.by_variable[name].describe()} and {reader.describe()}"
                    )
                self.by_variable[name] = reader

    def read(self, world: Mapping[str, Tensor], names: Iterable[str], *, soft: bool = False) -> dict[str, Tensor]:
        """The variables `names`, read off the images of `world`; each reader looks at each image once."""
        found: dict[str, Tensor] = {}
        wanted = list(names)
        for name in wanted:
            if name not in self.by_variable:
                raise unknown("variable, or one that no reader reads,", name, self.by_variable)
        for reader in self.readers:
            for image in self.graph.images:
                mine = [n for n in wanted if self.by_variable[n] is reader and self.graph.image_of(n) == image]
                if mine:
                    found |= reader.read(world[image], self.graph, mine, soft=soft)
        return {name: found[name] for name in wanted}

    @torch.no_grad()
    def read_all(self, world: Mapping[str, Tensor], names: Iterable[str], batch: int = 64) -> dict[str, Tensor]:
        """`read`, hard, batch by batch."""
        names = list(names)
        images = {image: world[image] for image in self.graph.images if image in world}
        n = len(next(iter(images.values()))) if images else 0
        parts = [self.read({k: v[i : i + batch] for k, v in images.items()}, names) for i in range(0, max(n, 1), batch)]
        return {name: torch.cat([part[name] for part in parts]) for name in names}

    @torch.no_grad()
    def outlines(self, images: Tensor) -> dict[str, Tensor]:
        """Every structure that a reader outlines, as masks (batch, height, width), bool."""
        found: dict[str, Tensor] = {}
        for reader in self.readers:
            found |= reader.masks(images)
        return found


def outlines(readers, images):
    found = {}
    for reader in readers:
        for name, mask in reader.masks(images).items():
            found[name] = found[name] | mask if name in found else mask
    return found


def widened(mask: Tensor, reach: int) -> Tensor:
    """`mask`, bool (batch, height, width), and all that is within `reach` pixels of it, diagonally too."""
    return nn.functional.max_pool2d(mask.float()[:, None], 2 * reach + 1, stride=1, padding=reach)[:, 0] > 0
