"""Pictures of counterfactuals: the factual image, then every answer beside how it differs from the factual.

Greys are fixed by the image's bounds and changes by one symmetric scale, so that pictures compare within a figure and
between figures. A structure keeps its colour; its factual outline is solid, its counterfactual one dashed.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from torch import Tensor

from causalimg.viz.grid import Column, draw_columns
from causalimg.viz.page import save

ROWS = 8
LIMIT = 100.0  # grey levels of 255 at which the colours of a change saturate
GREY = {"cmap": "gray", "vmin": 0, "vmax": 1}
CHANGE = {"cmap": "RdBu_r", "vmin": -LIMIT, "vmax": LIMIT}


class Pictures(NamedTuple):
    """Images (n, 1 or 3, height, width), outlines by structure (n, height, width) in [0, 1] or bool, captions (n,)."""

    images: Tensor
    outlines: Mapping[str, Tensor] = {}
    captions: Sequence[str] = ()


def draw_counterfactuals(
    factual: Tensor,
    counterfactual: Tensor,
    outlines: Mapping[str, tuple[Tensor, Tensor]] | None = None,
    captions: Sequence[str] = (),
    *,
    bounds: tuple[float, float] = (0.0, 1.0),
    title: str = "",
    path: str | Path | None = None,
) -> Any:
    """Factual | counterfactual | difference, with `outlines` by structure on the factual and the counterfactual image.

    It is `draw_grid` with one answer; see there.
    """
    pairs = outlines or {}
    before = Pictures(factual, {name: pair[0] for name, pair in pairs.items()})
    after = Pictures(counterfactual, {name: pair[1] for name, pair in pairs.items()}, captions)
    return draw_grid(before, {"counterfactual": after}, bounds=bounds, title=title, path=path)


def draw_grid(
    factual: Pictures,
    answers: Mapping[str, Pictures],
    *,
    bounds: tuple[float, float] = (0.0, 1.0),
    title: str = "",
    path: str | Path | None = None,
) -> Any:
    """The first eight items, a row each: the factual image, then every answer, under its heading, and its difference.

    Answers may be methods, targets, or both. `bounds` are the image's: black and white. Returns the matplotlib figure, and
    writes it to `path` if given. Raises ValueError where the shapes or the numbers of captions disagree.
    """
    for heading, pictures in {"factual": factual, **answers}.items():
        _check(heading, pictures, tuple(factual.images.shape))
    low, high = bounds
    outlines = {"factual": _first(factual.outlines)}
    columns = [_images("factual", factual, outlines, bounds)]
    for heading, answer in answers.items():
        both = outlines | {"counterfactual": _first(answer.outlines)}
        change = _largest(answer.images[:ROWS] - factual.images[:ROWS]) * (255 / (high - low))
        columns += [_images(heading, answer, both, bounds), Column("difference", change, CHANGE, both)]
    figure = draw_columns(columns, title, scale="change, grey levels of 255")
    save(figure, path)
    return figure


def _images(
    heading: str, pictures: Pictures, outlines: Mapping[str, Mapping[str, Tensor]], bounds: tuple[float, float]
) -> Column:
    pixels = ((pictures.images[:ROWS] - bounds[0]) / (bounds[1] - bounds[0])).clamp(0, 1)
    pixels = pixels.movedim(1, -1) if pixels.shape[1] == 3 else pixels[:, 0]
    return Column(heading, pixels, GREY, outlines, pictures.captions[:ROWS])


def _largest(change: Tensor) -> Tensor:
    """Of every pixel's channels the one that changed most: a mean would hide a change of hue."""
    return change.gather(1, change.abs().argmax(1, keepdim=True))[:, 0]


def _first(outlines: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: mask[:ROWS] for name, mask in outlines.items()}


def _check(heading: str, pictures: Pictures, shape: tuple[int, ...]) -> None:
    expected = shape if len(shape) == 4 and shape[0] and shape[1] in (1, 3) else "(n, 1 or 3, height, width)"
    if pictures.images.shape != expected:
        raise ValueError(f"{heading}: expected images of shape {expected}, got {tuple(pictures.images.shape)}")
    flat = (shape[0], *shape[2:])
    for name, mask in pictures.outlines.items():
        if mask.shape != flat:
            raise ValueError(f"{heading}: expected {name!r} outlines of shape {flat}, got {tuple(mask.shape)}")
    if len(pictures.captions) not in (0, shape[0]):
        raise ValueError(f"{heading}: expected {shape[0]} captions, got {len(pictures.captions)}")
