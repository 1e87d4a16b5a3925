"""Images and outlines as a page takes them: PNG as text, and paths of SVG."""

from base64 import b64encode
from io import BytesIO
from itertools import pairwise

import PIL.Image
from torch import Tensor

from causalimg.viz.pictures import CHANGE, LIMIT, border


def png(image: Tensor, bounds: tuple[float, float]) -> str:
    """An image (1 or 3, height, width) as a PNG of 8 bits in base64; `bounds` are black and white."""
    low, high = bounds
    levels = ((image.cpu() - low) / ((high - low) or 1.0)).clamp(0, 1).mul(255).round().byte().movedim(0, -1)
    file = BytesIO()
    PIL.Image.fromarray(levels.squeeze(-1).numpy()).save(file, format="PNG", optimize=True)
    return b64encode(file.getvalue()).decode()


def outline(mask: Tensor) -> str:
    """The border of a mask (height, width), bool, as a path of SVG in half pixels from the upper left corner."""
    return "".join(_path((2 * line + 1).round().astype(int).tolist()) for line in border(mask))


def _path(points: list[list[int]]) -> str:
    """A closed path; each step is relative to the last, which takes the fewest letters."""
    steps = (f"{x - a} {y - b}" for (a, b), (x, y) in pairwise(points))
    return f"M{points[0][0]} {points[0][1]}l{' '.join(steps)}z"


def change_colors() -> list[str]:
    """The colour of a change of -LIMIT to LIMIT grey levels of 255, level by level, as in figures."""
    from matplotlib import colormaps  # loads when first needed
    from matplotlib.colors import to_hex

    scale, most = colormaps[str(CHANGE["cmap"])], int(LIMIT)
    return [to_hex(scale((change + most) / (2 * most))) for change in range(-most, most + 1)]
