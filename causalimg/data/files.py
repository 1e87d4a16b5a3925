"""A folder of images plus a CSV file becomes a table for a graph, or an error that says everything that is wrong."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import torch

from causalimg.data.assembly import Assembly
from causalimg.data.filling import fill
from causalimg.data.pixels import Normalise
from causalimg.data.table import Table
from causalimg.errors import check_known
from causalimg.graph import Graph, as_graph
from causalimg.readers import Reader, ReaderSet


def read_table(
    graph: Graph | type[Graph],
    csv: str | Path,
    images: str | Path | None = None,
    *,
    columns: Mapping[str, str | None] | None = None,
    masks: str | Path | None = None,
    structures: Sequence[str] = (),
    readers: Sequence[Reader] = (),
    normalise: Normalise | None = None,
) -> Table:
    """The table of `graph` that a CSV file (UTF-8, commas, names in the first line) and its images hold.

    A variable's column has its name, or the one that `columns` says: ``{"lv_area": "LV area", "x": "image_file"}``. A
    categorical cell holds a level, letter for letter. Columns that are no variables are kept as `Table.extra`.

    images
        The folder of the files that the image's column (``file``, unless `columns` says otherwise) names, by default the
        folder of the CSV: PNG (8 or 16 bits), JPEG, or NPZ with one array. Or an NPZ file with an array ``images`` (rows,
        height, width[, channels]) in the order of the rows. uint8 and uint16 fill the image's bounds, floats must lie within.
        Images are stretched to the declared shape by area averaging, so that a declared spacing is that of the result: the
        field of view, in mm, over the declared height and width.
    normalise
        Done to the pixels of each image before it is resized: `Percentile(1, 99)`, or any function to [0, 1].
    masks
        Outlines of `structures`, whose labels are 1, 2, ... in this order, and 0 elsewhere: an NPZ file with an array ``labels``
        (rows, height, width), or a folder of PNGs named like the image files. Resized like the images, then cut at 0.5.
    readers
        A variable without a column (or with ``columns={"lv_area": None}``) is measured on the masks, where they have its
        structures, else read by the one of `readers` that can; `Table.filled` says which were.

    Raises TableError with everything that is wrong in the files, and the lines where it is; nothing is dropped. Raises
    ValueError on arguments that can't be right.
    """
    graph = as_graph(graph)
    check_known("variable", columns or {}, graph)
    if len(graph.images) != 1:
        raise ValueError(
            f"read_table reads one image a row, {graph.title} has {len(graph.images)}: make a Table yourself"
        )
    if isinstance(structures, str) or (masks is None) != (not structures):
        raise ValueError(f"masks go with structures=('...', ...), got masks={masks!r} and structures={structures!r}")
    panel = ReaderSet(graph, readers)
    parts = Assembly(graph, Path(csv), columns or {})
    values = parts.numbers()
    filled = parts.fillers(structures, panel)
    pictures = parts.images(Path(csv).parent if images is None else Path(images), normalise)
    outlines = parts.outlines(Path(masks), structures) if masks is not None else []
    parts.problems.check()
    values[parts.image] = torch.stack(pictures)
    by_structure = dict(zip(structures, torch.stack(outlines).unbind(1), strict=True)) if outlines else {}
    table = fill(Table(graph, values, by_structure, parts.extra()), filled, panel)
    parts.check_filled(table)
    parts.problems.check()
    return table
