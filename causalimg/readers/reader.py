"""The contract of readers: networks that read variables off an image.

One interface, three uses: a reader fills in what a table lacks, guides fine-tuning, or judges the result. Who guided may not
judge. (The field also says anticausal predictor, or pseudo-oracle.)
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import ClassVar

from torch import Tensor

from causalimg.configured import Configured
from causalimg.graph import Graph


class Reader(Configured, ABC):
    """Reads variables of a graph off an image. Subclass it with `can_read` and `read`.

    `fitted` is the report of how well it reads held-out images, as plain JSON data, saved with it.
    """

    fitted: ClassVar[dict[str, object]] = {}

    @abstractmethod
    def can_read(self, graph: Graph) -> tuple[str, ...]:
        """The variables of `graph` that this reader reads."""

    @abstractmethod
    def read(self, images: Tensor, graph: Graph, names: Iterable[str], *, soft: bool = False) -> dict[str, Tensor]:
        """The variables `names` of `images` (batch, channels, height, width), in the graph's units.

        Hard (the default): what is reported; a continuous value of shape (batch,), or a level's index. Soft: the
        differentiable form that guides; a continuous value of shape (batch,), or log-probabilities (batch, levels).
        """
