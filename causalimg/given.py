"""What users hold, as columns: frames and rows of pandas, levels by name; images as files, pictures, arrays and tensors.

Every question and all training begins here, so that each form gives the same answer, to the bit. A file or a picture is read as
`read_table` reads it. Integers of 8 and 16 bits, of which arrays and tensors may be, are grey levels that fill the variable's
bounds, or that the model's `normalise` takes; other numbers are values of the variable already. What comes out is checked by
`values.columns`.
"""

from collections.abc import Callable, Iterable, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import PIL.Image
import torch
from torch import Tensor

from causalimg.data.arrays import Normalise, Pixels
from causalimg.data.images import image_of
from causalimg.data.limits import Limits
from causalimg.data.pictures import pixels_of
from causalimg.data.preprocessing import AS_THEY_ARE, Preprocessing
from causalimg.data.scans import read_image
from causalimg.data.volumes import Picture
from causalimg.errors import located, unknown, warn, wrong_kind
from causalimg.graph import Graph, Image
from causalimg.values import Columns, World, by_name, check_variables, column, columns

PICTURES = (str, Path, PIL.Image.Image)
"""What holds one image, and says itself how its pixels lie."""

ARRAYS = (np.ndarray, Tensor)


def as_columns(
    graph: Graph,
    given: Any,
    *,
    what: str = "values",
    alone: bool = False,
    preprocessing: Preprocessing = AS_THEY_ARE,
    device: torch.device | str = "cpu",
) -> tuple[World, bool]:
    """`given`, checked, as columns of one length; and whether it was a single item (nothing had a batch dimension).

    A mapping, a `Table`, a DataFrame or a row of one; with `alone`, an image or several as well, where the graph has one. Columns
    of a frame that are no variables are left out, with a warning. Raises as `columns` does, and what `read_table` says of a file;
    TypeError, which calls it `what`, for what has no names.
    """
    found = named(graph, given, what, alone)
    check_variables(graph, found.keys())
    plain = {name: _plain(name, graph, found[name], preprocessing) for name in found.keys()}  # noqa: SIM118
    return columns(graph, plain, device)


def named(graph: Graph, given: Any, what: str = "values", alone: bool = False) -> Columns:
    """The columns of `given`, by variable, as they are. See `as_columns`."""
    if hasattr(given, "to_dict") and hasattr(given, "index"):  # pandas, which need not be there
        names = _variables(graph, given.columns if hasattr(given, "columns") else given.index)
        return {name: given[name] for name in names}
    if isinstance(given, list | tuple) and given and hasattr(given[0], "keys"):
        raise TypeError(f"{what}: expected columns, got a list of rows: pandas.DataFrame(rows) makes columns of them")
    if alone and not hasattr(given, "keys"):
        return {only_image(graph): given}
    if isinstance(given, str | Path):
        raise TypeError(f"{wrong_kind(what, 'values by name or a Table', str(given))}: read_table reads a file")
    return by_name(what, given)


def _variables(graph: Graph, names: Iterable[Any]) -> list[str]:
    """Those of the `names` of a frame that are variables. Warns of the others; raises ValueError where all are others."""
    names = list(names)
    others = [str(name) for name in names if name not in graph]
    if len(others) == len(names):
        raise unknown("variable", next(iter(others), ""), graph)
    if others:
        near = [(one, get_close_matches(one, graph.variables.keys() - set(names), n=1, cutoff=0.7)) for one in others]
        hint = "".join(f" Was {one!r} meant to be {close[0]!r}?" for one, close in near if close)
        warn(
            f"columns that are no variables are left out: {', '.join(others)}.{hint} Select what is meant: frame[[...]]"
        )
    return [name for name in names if name in graph]


def only_image(graph: Graph) -> str:
    """The name of the image of a graph that has one. Raises ValueError where it has none, or several."""
    if len(graph.images) != 1:
        raise ValueError(f"say which image: a mapping with one of {', '.join(graph.images) or '(no images)'}")
    return graph.images[0]


def _plain(name: str, graph: Graph, value: Any, how: Preprocessing) -> Any:
    """A column as `values.column` takes it: numbers, or levels by name."""
    value = unpacked(value)
    variable = graph[name]
    return pictured(name, variable, value, how) if isinstance(variable, Image) else value


def unpacked(value: Any) -> Any:
    """A column of pandas, or an array of texts or of any objects, as a list; all else as it is."""
    if isinstance(value, np.ndarray) and value.dtype.kind not in "OUST":
        return value if value.flags.writeable else value.copy()  # torch warns of what can't be written to
    return value.tolist() if hasattr(value, "tolist") and not isinstance(value, Tensor) else value


def pictured(name: str, variable: Image, value: Any, how: Preprocessing) -> Any:
    """`value` as numbers, (channels, height, width) or with a batch dimension before; what shows no image stays what it is.

    A path, a picture of Pillow's, an array or a tensor, or a list of these. Raises ValueError, with the number of the item, for
    what is no such image, and for an array that may be meant in two ways.
    """
    if isinstance(value, PICTURES):
        with located(name):
            if not isinstance(value, PIL.Image.Image):
                return read_image(Path(value), variable, how)
            return image_of(Picture(pixels_of(value, Limits())), variable, how.normalise, how.fit)
    if isinstance(value, Tensor) and _is_raw(value.dtype, how.normalise) and value.shape[-3:] == variable.shape:
        return _of_array(name, variable, value.detach().cpu().numpy(), how, [FIRST, ROWS_FIRST])
    if isinstance(value, np.ndarray) and value.dtype.kind in "iuf" and not isinstance(value, np.ma.MaskedArray):
        return _of_array(name, variable, value, how, LAYOUTS)
    if isinstance(value, Sequence) and any(isinstance(one, PICTURES + ARRAYS) for one in value):
        return torch.stack([_one(f"{name}, item {i}", variable, one, how) for i, one in enumerate(value)])
    if hasattr(value, "keys"):
        raise wrong_kind(name, "an image, or several, without names", value)
    return value


def _one(where: str, variable: Image, value: Any, how: Preprocessing) -> Tensor:
    """One image of a list. Raises ValueError for several, TypeError for what is none."""
    if not isinstance(value, PICTURES + ARRAYS):
        raise wrong_kind(where, "an image", value)
    made = column(where, variable, pictured(where, variable, value, how))
    if made.ndim != len(variable.shape):
        raise ValueError(f"{where}: expected one image, got {len(made)}")
    return made


def _is_raw(dtype: Any, normalise: Normalise | None) -> bool:
    """Whether numbers of this type are grey levels as a file has them, and no values of the variable."""
    kind = str(dtype).removeprefix("torch.")
    return kind in ("uint8", "uint16") or (normalise is not None and "int" in kind)


class Layout(NamedTuple):
    """How the pixels of an array may lie: its `axes` in words, whether a shape `fits` the variable's, and the array as pictures,
    (n, height, width, channels) or (n, height, width)."""

    axes: str
    fits: Callable[[tuple[int, ...], tuple[int, ...]], bool]
    pictures: Callable[[Pixels], Pixels]


def _last(shape: tuple[int, ...], wanted: tuple[int, ...]) -> bool:
    return len(shape) == 3 and (shape[2] == wanted[0] or (shape[2], wanted[0]) == (3, 1))


def _first(shape: tuple[int, ...], wanted: tuple[int, ...]) -> bool:
    return len(shape) == 3 and shape[0] == wanted[0]


FIRST = Layout("channels, height, width", _first, lambda pixels: np.moveaxis(pixels, 0, -1)[None])
ROWS_FIRST = Layout(
    "n, channels, height, width",
    lambda shape, wanted: len(shape) == 4 and _first(shape[1:], wanted),
    lambda pixels: np.moveaxis(pixels, 1, -1),
)
LAYOUTS = [
    Layout("height, width", lambda shape, wanted: len(shape) == 2, lambda pixels: pixels[None]),
    Layout("height, width, channels", _last, lambda pixels: pixels[None]),
    FIRST,
    Layout(
        "n, height, width",
        lambda shape, wanted: len(shape) == 3 and shape[0] > 1 and (1, *shape[1:]) == wanted,
        lambda pixels: pixels,
    ),
    ROWS_FIRST,
    Layout(
        "n, height, width, channels",
        lambda shape, wanted: len(shape) == 4 and _last(shape[1:], wanted),
        lambda pixels: pixels,
    ),
]


def _of_array(
    name: str, variable: Image, pixels: Pixels, how: Preprocessing, layouts: Sequence[Layout]
) -> Tensor | Pixels:
    layout = _layout(name, variable, pixels.shape, layouts)
    raw = _is_raw(pixels.dtype, how.normalise)
    if not raw and pixels.shape[-3:] == variable.shape:  # values already
        return pixels
    made = []
    for row, picture in enumerate(layout.pictures(pixels)):
        with located(f"{name}, row {row}"):
            made.append(image_of(Picture(picture), variable, how.normalise if raw else None, how.fit))
    batch = torch.stack(made) if made else torch.empty(0, *variable.shape)
    return batch if layout.axes.startswith("n") else batch[0]


def _layout(name: str, variable: Image, shape: tuple[int, ...], layouts: Sequence[Layout]) -> Layout:
    """The only one of `layouts` that fits `shape`. Raises ValueError where none does, or several do."""
    fitting = [layout for layout in layouts if layout.fits(shape, variable.shape)]
    if len(fitting) == 1:
        return fitting[0]
    if not fitting:
        ways = ", ".join(f"({layout.axes})" for layout in layouts)
        raise ValueError(f"{name}: an array of shape {shape}, expected {ways} of {variable.shape[0]} channels")
    ways = " or ".join(f"({layout.axes})" for layout in fitting)
    raise ValueError(f"{name}: an array of shape {shape} may be {ways}: give a tensor, {variable.shape}")
