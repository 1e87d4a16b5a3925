"""A U-Net of modulated blocks: an image and an embedding to features of every patch of the image.

*U-Net* (Ronneberger et al., 2015, arXiv:1505.04597), with blocks that an embedding modulates (see `blocks`) and patches at the
entrance, so that no wide convolution runs at full resolution.
"""

from collections.abc import Sequence
from itertools import pairwise

from torch import Tensor, nn

from causalimg.mechanisms.blocks import Stage, double
from causalimg.mechanisms.hierarchy import Encoder


class ModulatedUNet(nn.Module):
    """Image (batch, channels, h, w) and embedding (batch, embedding) -> features (batch, widths[0], h/patch, w/patch).

    `widths` and `kernels` are per resolution, fine to coarse, `blocks` how many residual blocks each has on the way down and on
    the way up. Without an embedding (0 wide) nothing modulates.
    """

    def __init__(
        self, channels: int, widths: Sequence[int], kernels: Sequence[int], embedding: int, blocks: int, patch: int = 2
    ) -> None:
        super().__init__()
        self.down = Encoder(channels, widths, kernels, embedding, blocks, patch)
        self.up = nn.ModuleList(nn.Conv2d(coarse, fine, 1) for fine, coarse in pairwise(widths))
        self.stages = nn.ModuleList(
            Stage(width, embedding, blocks, kernel) for width, kernel in zip(widths[:-1], kernels[:-1], strict=True)
        )

    def forward(self, image: Tensor, embedding: Tensor | None) -> Tensor:
        encoded = self.down(image, embedding)
        features: Tensor = encoded[-1]
        for level in reversed(range(len(self.up))):
            features = self.stages[level](encoded[level] + double(features, self.up[level]), embedding)
        return features
