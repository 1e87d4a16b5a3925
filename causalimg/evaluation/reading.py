"""What judges see: readings and outlines, off images that may lie on another device than theirs."""

from collections.abc import Mapping

import torch
from torch import Tensor

from causalimg.evaluation.asking import BATCH
from causalimg.readers.reader_set import ReaderSet


def read(panel: ReaderSet, values: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """All that `panel` reads off the images of `values`, hard, by variable: shape (n,)."""
    images = {name: values[name].to(_device(panel)) for name in panel.graph.images}
    return {name: value.cpu() for name, value in panel.read_all(images, panel.by_variable, BATCH).items()}


def outlines(panel: ReaderSet, images: Tensor) -> dict[str, Tensor]:
    """Every structure that `panel` outlines on `images` (n, channels, height, width): bool (n, height, width)."""
    return {name: mask.cpu() for name, mask in panel.outlines(images.to(_device(panel))).items()}


def _device(panel: ReaderSet) -> torch.device:
    return next((parameter.device for parameter in panel.parameters()), torch.device("cpu"))
