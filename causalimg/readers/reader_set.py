"""The readers of one graph: who reads which variable off which image, and the structures that they outline together."""

from collections.abc import Iterable, Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import max_pool2d

from causalimg.errors import check_known
from causalimg.graph import Graph
from causalimg.readers.reader import Reader, check_readers
from causalimg.values import in_batches


class ReaderSet(nn.Module):
    """`readers`, asked together. `by_variable` says who reads what.

    Raises ValueError for a reader that reads nothing of `graph`, and for two that read the same variable; TypeError for what is
    no reader.
    """

    def __init__(self, graph: Graph, readers: Sequence[Reader]) -> None:
        super().__init__()
        check_readers("readers", readers)
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

    def readable(self, world: Iterable[str]) -> list[str]:
        """The variables that are read off the images in `world`."""
        return [name for name in self.by_variable if self.graph.image_of(name) in world]

    def read(self, world: Mapping[str, Tensor], names: Iterable[str], *, soft: bool = False) -> dict[str, Tensor]:
        """The variables `names`, read off the images of `world`; each reader looks at each image once.

        Raises ValueError for a name that no reader reads.
        """
        wanted = list(names)
        check_known("variable, or one that no reader reads,", wanted, self.by_variable)
        values: dict[str, Tensor] = {}
        for reader in self.readers:
            for image in self.graph.images:
                mine = [n for n in wanted if self.by_variable[n] is reader and self.graph.image_of(n) == image]
                if mine:
                    values |= reader.read(world[image], self.graph, mine, soft=soft)
        return {name: values[name] for name in wanted}

    @torch.no_grad()
    def read_all(self, world: Mapping[str, Tensor], names: Iterable[str], batch: int = 64) -> dict[str, Tensor]:
        """`read`, hard, batch by batch."""
        names = list(names)
        images = {image: world[image] for image in self.graph.images if image in world}
        return in_batches(lambda part: self.read(part, names), images, batch)

    def outlines(self, images: Tensor, image: str) -> dict[str, Tensor]:
        """Every structure of `images`, the variable `image`, that one of its readers outlines, see `outlines`."""
        return outlines(readers_of(self.graph, image, self.readers), images)


def readers_of(graph: Graph, image: str, readers: Iterable[Reader]) -> list[Reader]:
    """Those of `readers` that read a variable off the image `image`."""
    return [reader for reader in readers if any(graph.image_of(name) == image for name in reader.can_read(graph))]


@torch.no_grad()
def outlines(readers: Iterable[Reader], images: Tensor) -> dict[str, Tensor]:
    """Every structure that one of `readers` outlines on `images` (n, C, H, W), as masks (n, H, W) of bool.

    Where several outline the same structure, a pixel belongs to it if any of them says so.
    """
    masks: dict[str, Tensor] = {}
    for reader in readers:
        for name, mask in reader.masks(images).items():
            masks[name] = masks[name] | mask if name in masks else mask
    return masks


def widened(mask: Tensor, reach: int) -> Tensor:
    """`mask`, bool (n, H, W), and all that is within `reach` pixels of it, diagonally too."""
    return max_pool2d(mask.float()[:, None], 2 * reach + 1, stride=1, padding=reach)[:, 0] > 0
