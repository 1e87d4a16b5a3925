"""True morphometry of a digit: measured on the stroke, by no network.

*Morpho-MNIST* (Castro et al., JMLR 20(178), 2019): of the image, enlarged four times and cut at half its brightness, thickness
is twice the mean distance to the edge along the medial axis; intensity is the median grey of the stroke (Pawlowski et al., 2020).
"""

from collections.abc import Iterable

import numpy as np
import torch
from skimage.morphology import medial_axis
from skimage.transform import pyramid_expand
from torch import Tensor

import causalimg as ci

SCALE = 4


def thickness(image: np.ndarray) -> float:
    """Mean thickness of the stroke, in pixels."""
    large = pyramid_expand(image, upscale=SCALE, order=3)
    stroke = large > (large.min() + large.max()) / 2
    skeleton, distance = medial_axis(stroke, return_distance=True, rng=0)  # it draws lots among equal pixels
    return float(2 * distance[skeleton].mean() / SCALE) if skeleton.any() else 0.0


def intensity(image: np.ndarray) -> float:
    """Median grey of the stroke, in levels of 255."""
    stroke = image[image > image.max() / 2]
    return float(255 * np.median(stroke)) if len(stroke) else 0.0


MEASURES = {"thickness": thickness, "intensity": intensity}


class Morphometer(ci.Reader):
    """Reads thickness and intensity off a digit as they are defined."""

    def can_read(self, graph: ci.Graph) -> tuple[str, ...]:
        return tuple(name for name in MEASURES if name in graph)

    def read(self, images: Tensor, graph: ci.Graph, names: Iterable[str], *, soft: bool = False) -> dict[str, Tensor]:
        digits = images[:, 0].numpy()
        return {name: torch.tensor([MEASURES[name](digit) for digit in digits]) for name in names}
