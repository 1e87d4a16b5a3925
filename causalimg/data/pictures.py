"""A PNG, JPEG or TIFF file as pixels: the numbers that it stores, upright, or an error that says why they can't be had.

Only these formats are decoded, whatever a file is called: others start external programs, or have not been thought of. What
would be silently another image is refused: several frames, transparent parts, colours for print, white stored as 0.
"""

from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
from numpy.typing import NDArray
from PIL import ImageOps, UnidentifiedImageError
from PIL.TiffImagePlugin import BITSPERSAMPLE, PHOTOMETRIC_INTERPRETATION, SAMPLEFORMAT

from causalimg.data.limits import Limits

Pixels = NDArray[Any]

FORMATS = ("PNG", "JPEG", "TIFF")

NUMBERS = ("L", "I;16", "I;16B", "I", "F")
"""Pillow's modes whose pixels are numbers of grey."""

READ_AS = {"1": "L", "LA": "L", "RGB": "RGB", "RGBA": "RGB", "P": "RGB", "PA": "RGB"}
"""As which of its modes others are read."""

MISREAD = {(1, 32): np.uint32, (2, 8): np.int8}
"""What Pillow takes for other numbers of the same bits: by a TIFF's SampleFormat (1: unsigned, 2: signed) and BitsPerSample."""


BOMB = (PIL.Image.DecompressionBombError, PIL.Image.DecompressionBombWarning)
"""Pillow's own limit; the second where warnings are errors."""


def read_picture(file: Path | BytesIO, limits: Limits, labels: bool = False) -> Pixels:
    """The pixels in `file`: grey (height, width), or colour (height, width, 3); of `labels` with a palette, its indices.

    Raises ValueError for what is no such picture or beyond `limits`, and the errors of Pillow for a file that is broken.
    """
    try:
        with PIL.Image.open(file, formats=FORMATS) as picture:
            return pixels_of(picture, limits, labels)
    except UnidentifiedImageError:
        raise ValueError(f"it is no {', '.join(FORMATS[:-1])} or {FORMATS[-1]}, or broken") from None
    except BOMB as error:
        raise ValueError(f"{error} Raise PIL.Image.MAX_IMAGE_PIXELS, and limits=Limits(pixels=...)") from None


def pixels_of(picture: PIL.Image.Image, limits: Limits, labels: bool = False) -> Pixels:
    """The pixels of a `picture` that is open, or was made in memory: see `read_picture`."""
    limits.check_size(picture.height, picture.width)
    _check_plain(picture)
    if not labels:
        _check_opaque(picture)
    return _numbers(picture, labels)


def _check_plain(picture: PIL.Image.Image) -> None:
    if getattr(picture, "is_animated", False):
        raise ValueError("it has several frames: save the one that is meant as a file of its own")
    if picture.mode not in (*NUMBERS, *READ_AS):
        raise ValueError(f"its colours are {picture.mode}: save it as grey or RGB")
    if _tag(picture, PHOTOMETRIC_INTERPRETATION) == 0 and picture.mode not in ("1", "L"):  # those two, Pillow inverts
        raise ValueError("it is a TIFF in which 0 is white: save it with 0 as black")


def _check_opaque(picture: PIL.Image.Image) -> None:
    seen_through = "A" in picture.getbands() or "transparency" in picture.info
    if seen_through and picture.convert("RGBA").getchannel("A").getextrema() != (255, 255):
        raise ValueError("parts of it are transparent: save it without, on the background that is meant")


def _numbers(picture: PIL.Image.Image, labels: bool) -> Pixels:
    stored = MISREAD.get((_tag(picture, SAMPLEFORMAT) or 1, _tag(picture, BITSPERSAMPLE)))
    wide_png = picture.format == "PNG" and picture.mode == "I"  # 16 bits, which older Pillows widen to 32
    upright = ImageOps.exif_transpose(picture)
    if picture.mode not in NUMBERS and not (labels and picture.mode in ("1", "P")):
        upright = upright.convert(READ_AS[picture.mode])
    pixels = np.asarray(upright)
    if wide_png:
        return pixels.astype(np.uint16)
    return pixels if stored is None else pixels.view(stored)


def _tag(picture: PIL.Image.Image, tag: int) -> Any:
    """A number that a TIFF says of its pixels; None where it, or another format, says none."""
    said = getattr(picture, "tag_v2", {}).get(tag)
    return said[0] if isinstance(said, tuple) else said
