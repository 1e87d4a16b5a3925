"""Where an image may change: near the structures that belong to what changed.

An image follows its causes everywhere, also where it follows them by chance alone: what goes with a small heart in the data comes
along. What is measured on a structure is therefore changed near that structure, and only there. A cause that is measured nowhere
(sex, the scanner) may change the whole image, and so may one whose structure nobody outlines.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any

import torch
from pydantic import BeforeValidator, NonNegativeFloat
from torch import Tensor
from torch.nn.functional import avg_pool2d

from causalimg.errors import check_known
from causalimg.graph import Graph, Outlined
from causalimg.graph.spec import Spec
from causalimg.readers.reader_set import widened


def _names(given: object) -> object:
    return (given,) if isinstance(given, str) else given


class Region(Spec):
    """The surroundings of structures.

    `structures`: by default those of what changed. They are widened by `margin`, and the border is blurred over `soft`, both
    shares of the image's height. With a margin of 1 the region is the whole image.
    """

    structures: Annotated[tuple[str, ...], BeforeValidator(_names)] | None = None
    margin: NonNegativeFloat = 0.12
    soft: NonNegativeFloat = 0.03

    def mask(
        self,
        graph: Graph,
        name: str,
        image: Tensor,
        changed: Mapping[str, Tensor],
        outlines: Callable[[], Mapping[str, Tensor]],
    ) -> Tensor | None:
        """1 where `image`, the variable `name`, (n, channels, height, width), may change, 0 where not: (rows, height, width).

        `changed`: by cause of the image, the rows (rows,), bool, where it changed. `outlines()`: by structure, bool, (n, height,
        width). n is the number of rows, or 1. None where all of every image may change. Raises ValueError for a structure that
        nobody outlines.
        """
        near = {cause: self._near(graph, name, cause, image, outlines) for cause in changed} if self.margin < 1 else {}
        if all(mask is None for mask in near.values()):
            return None
        return torch.stack([self._where(changed[cause], mask, image) for cause, mask in near.items()]).amax(0)

    def _near(
        self, graph: Graph, name: str, cause: str, image: Tensor, outlines: Callable[[], Mapping[str, Tensor]]
    ) -> Tensor | None:
        """The surroundings of the structures that belong to `cause`; None where there are none to see."""
        if self.structures is not None:
            masks = outlines()
            check_known("structure that a reader outlines", self.structures, masks)
            return self._surroundings(torch.stack([masks[structure] for structure in self.structures]).any(0))
        quantity = graph.measured.get(cause)
        if quantity is None or graph.image_of(cause) != name or not set(quantity.structures) <= outlines().keys():
            return None
        return self._surroundings(quantity.region(Outlined(outlines(), image)))

    def _surroundings(self, mask: Tensor) -> Tensor:
        """Blurred, (n, height, width); 1 everywhere where there is no such structure."""
        reach, soft = (round(share * mask.shape[-2]) for share in (self.margin, self.soft))
        wide = widened(mask, reach).float()[:, None]
        blurred = avg_pool2d(wide, 2 * soft + 1, stride=1, padding=soft, count_include_pad=False)[:, 0]
        return torch.where(mask.flatten(1).any(1)[:, None, None], blurred, 1.0)

    @staticmethod
    def _where(here: Tensor, mask: Tensor | None, image: Tensor) -> Tensor:
        """`mask`, or all of the image, in the rows `here`; nothing in the others."""
        return here[:, None, None] * (torch.ones_like(image[:, 0]) if mask is None else mask)


Where = Region | str | Any
"""A region: a `Region`, a structure by name, or a mask of the user's, bool or within [0, 1]."""


def as_mask(given: Any, shape: Sequence[int], n: int, device: torch.device) -> Tensor:
    """A user's own mask as (n or 1, height, width) for images of `shape`.

    Raises ValueError for another shape, or values outside [0, 1].
    """
    mask = torch.as_tensor(given, dtype=torch.float32, device=device)
    height, width = shape[-2:]
    if mask.shape not in ((height, width), (1, height, width), (n, height, width)):
        expected = f"({height}, {width}) or ({n}, {height}, {width})"
        raise ValueError(f"region: expected a mask of shape {expected}, got {tuple(mask.shape)}")
    if not bool(((mask >= 0) & (mask <= 1)).all()):
        raise ValueError(f"region: expected values within [0, 1], got {mask.min():g} to {mask.max():g}")
    return mask.reshape(-1, height, width)
