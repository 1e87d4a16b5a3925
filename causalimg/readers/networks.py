"""The networks inside our readers: a U-Net for outlines, an encoder with a linear head for numbers and levels.

The encoders are those of segmentation-models-pytorch, and with ``tu-`` in front those of timm; their weights start at random.
timm's resnets are built narrow here, as wide as the decoder: at 64×64 a tenth of the weights outlines no worse, in half
the time. Four halvings suffice, and convolutions run fastest on the CPU with the channels last.

U-Net: Convolutional Networks for Biomedical Image Segmentation (Ronneberger et al., 2015), https://arxiv.org/abs/1505.04597
"""

from abc import ABC, abstractmethod
from difflib import get_close_matches
from typing import Any, cast

import torch
from pydantic import PositiveInt
from torch import Tensor, nn

from causalimg.configured import Configured
from causalimg.errors import buildable, unknown
from causalimg.training.randomness import seeded

DEPTH = 4


class Network(Configured, ABC):
    """A network that can be saved with its reader: it is known by its kind and its settings."""

    @abstractmethod
    def forward(self, images: Tensor) -> Tensor: ...


class _Encoded(Network, ABC):
    """`outputs` maps or numbers from images with `channels`, by way of `encoder`; `seed` draws the first weights.

    `width` counts features at half the resolution, from where they double with every halving. An encoder other than timm's
    resnets has widths of its own. Raises ValueError for an encoder that neither library has, and for settings of which no
    network can be built.
    """

    outputs: PositiveInt = 1
    channels: PositiveInt = 1
    encoder: str = "tu-resnet18"
    width: PositiveInt = 16
    seed: int = 0

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        check_encoder(self.encoder)
        with seeded(self.seed, torch.device("cpu")), buildable(self.spec):
            self.build()
        self.to(memory_format=torch.channels_last)

    @abstractmethod
    def build(self) -> None:
        """Make the layers."""

    @property
    def narrow(self) -> dict[str, Any]:
        """What makes a resnet of timm `width` wide."""
        if not self.encoder.startswith("tu-resnet"):
            return {}
        widths = tuple(self.width * 2**i for i in range(DEPTH))
        return {"channels": widths, "stem_type": "deep", "stem_width": self.width}

    def checked(self, images: Tensor) -> Tensor:
        """`images` as the layers take them. Raises ValueError if they have another shape."""
        if images.ndim != 4 or images.shape[1] != self.channels:
            expected = f"(n, {self.channels}, height, width)"
            raise ValueError(f"{type(self).__name__} takes images of shape {expected}, got {tuple(images.shape)}")
        return images.contiguous(memory_format=torch.channels_last)


class UNet(_Encoded):
    """Images (n, channels, height, width) of any size to logits (n, outputs, height, width)."""

    def build(self) -> None:
        import segmentation_models_pytorch as smp  # slow to import

        self.layers = smp.Unet(
            self.encoder,
            encoder_depth=DEPTH,
            encoder_weights=None,
            decoder_channels=[max(1, int(self.width * 2.0 ** (DEPTH - 2 - i))) for i in range(DEPTH)],
            in_channels=self.channels,
            classes=self.outputs,
            **self.narrow,
        )

    def forward(self, images: Tensor) -> Tensor:
        height, width = images.shape[-2:]
        down, right = -height % 2**DEPTH, -width % 2**DEPTH
        padded = nn.functional.pad(self.checked(images), (0, right, 0, down), mode="replicate")
        return cast(Tensor, self.layers(padded))[..., :height, :width]


class CNN(_Encoded):
    """Images (n, channels, height, width) to numbers (n, outputs): an encoder, the mean over the image, a linear layer."""

    def build(self) -> None:
        import segmentation_models_pytorch as smp  # slow to import

        self.layers = smp.encoders.get_encoder(
            self.encoder, in_channels=self.channels, depth=DEPTH, weights=None, **self.narrow
        )
        self.head = nn.Linear(self.layers.out_channels[-1], self.outputs)

    def forward(self, images: Tensor) -> Tensor:
        features: Tensor = self.layers(self.checked(images))[-1]
        return cast(Tensor, self.head(features.mean((2, 3))))


def check_encoder(name: str) -> None:
    """Raise ValueError, with the nearest names, for an encoder that neither library has."""
    import segmentation_models_pytorch as smp  # slow to import
    import timm

    known = [*smp.encoders.get_encoder_names(), *(f"tu-{model}" for model in timm.list_models())]
    if name not in known:
        raise unknown("encoder", name, get_close_matches(name, known, n=8))  # of more than a thousand
