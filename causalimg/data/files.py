"""A folder of images plus a CSV file becomes a table for a graph, or an error that says everything that is wrong."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import prod
from os.path import splitext
from pathlib import Path
from typing import cast

import torch
from torch import Tensor

from causalimg.data.arrays import Normalise, Pixels
from causalimg.data.csv_file import CsvFile
from causalimg.data.images import image_of, masks_of, read_pictures
from causalimg.data.limits import USUAL, Limits
from causalimg.data.problems import Problems
from causalimg.data.spelling import plain
from causalimg.data.table import Table
from causalimg.errors import check_known, unknown, wrong_kind
from causalimg.graph import Continuous, Graph, Image, as_graph, measure
from causalimg.graph.quantities import PIXELS
from causalimg.readers import Reader, ReaderSet
from causalimg.values import by_name

MASKS = "masks"
"""What `Table.filled` says of a variable that was measured on the masks."""


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
    limits: Limits = USUAL,
) -> Table:
    """The table of `graph` that a CSV file (UTF-8, commas, names in the first line) and its images hold.

    A variable's column has its name, or the one that `columns` says: ``{"lv_area": "LV area", "x": "image_file"}``. A
    categorical cell holds a level, letter for letter; a number has plain digits and a point. Spaces about a name, a level or a
    number don't count, nor how Unicode composes a letter. Columns that are no variables are kept as `Table.extra`, as they are.

    images
        The folder of the files that the image's column (``file``, unless `columns` says otherwise) names, by default the
        folder of the CSV, a file for each row: PNG, JPEG, TIFF (8 or 16 bits, floats), upright as EXIF says, or NPZ with one
        array. Or an NPZ file with an array ``images`` (rows, height, width[, channels]) in the order of the rows. uint8 and
        uint16 fill the image's bounds, floats must lie within. What is transparent, or of several frames, is refused.
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
    limits
        How much a file may hold and where it may lie; what is beyond is refused, and the error says how to raise it.

    Raises TableError with everything that is wrong in the files, and the lines where it is; nothing is dropped. Raises
    ValueError or TypeError on arguments that can't be right.
    """
    graph = as_graph(graph)
    check_known("variable", by_name("columns", columns or {}, "names of columns by variable").keys(), graph)
    if normalise is not None and not callable(normalise):
        raise wrong_kind("normalise", "a function of an image's pixels", normalise)
    if len(graph.images) != 1:
        raise ValueError(
            f"read_table reads one image a row, {graph.title} has {len(graph.images)}: make a Table yourself"
        )
    if isinstance(structures, str) or (masks is None) != (not structures):
        raise ValueError(f"masks go with structures=('...', ...), got masks={masks!r} and structures={structures!r}")
    reader_set = ReaderSet(graph, readers)
    files = _Files(graph, Path(csv), columns or {}, limits)
    values = files.numbers()
    sources = files.sources(structures, reader_set)
    pictures = files.images(Path(csv).parent if images is None else Path(images), normalise)
    outlines = files.masks(Path(masks), structures) if masks is not None else []
    files.problems.check()
    values[files.image] = torch.stack(pictures)
    by_structure = dict(zip(structures, torch.stack(outlines).unbind(1), strict=True)) if outlines else {}
    read = Table(graph, values, by_structure, files.extra(), lines=files.csv.lines, normalise=normalise)
    table = _filled(read, sources, reader_set)
    files.check_filled(table)
    files.problems.check()
    return table


class _Files:
    """The CSV file at `path` and the images of a table of `graph`, which has one image; `problems` collects what is wrong.

    `columns` says where a variable's column is not called like it; None: it is not to be read. Raises TableError for what is
    no CSV file.
    """

    def __init__(self, graph: Graph, path: Path, columns: Mapping[str, str | None], limits: Limits) -> None:
        self.graph, self.limits = graph, limits
        (self.image,) = graph.images
        self.variable = cast(Image, graph[self.image])
        self.problems = Problems(path)
        self.csv = CsvFile.read(path, self.problems, limits)
        written = {name: columns.get(name, "file" if name == self.image else name) for name in graph}
        asked = {name: None if column is None else plain(str(column)) for name, column in written.items()}
        for name, column in asked.items():
            if name in columns and column is not None and column not in self.csv.columns:
                self.problems.add(name, "column", str(unknown("column", column, self.csv.columns)))
        self.file_names = self.csv.columns.get(asked.pop(self.image) or "")
        self.used = {name: column for name, column in asked.items() if column in self.csv.columns}
        self.lacking = [name for name in asked if name not in self.used and columns.get(name) is None]

    def numbers(self) -> dict[str, Tensor]:
        """The values of the variables that have a column and are no image."""
        read = self.csv.numbers
        return {name: read(column, name, self.graph[name], self.problems) for name, column in self.used.items()}

    def extra(self) -> dict[str, list[str]]:
        """The other columns, as text; that of the file names is one of them."""
        return {name: cells for name, cells in self.csv.columns.items() if name not in self.used.values()}

    def images(self, path: Path, normalise: Normalise | None) -> list[Tensor]:
        """The image of each row, shape (channels, height, width)."""
        self._check_memory()

        def convert(pixels: Pixels) -> Tensor:
            image = image_of(pixels, self.variable, normalise)
            self._check_counts(pixels.shape[:2])
            return image

        return read_pictures("images", path, self.file_names, self.csv.lines, convert, self.problems, self.limits)

    def masks(self, path: Path, structures: Sequence[str]) -> list[Tensor]:
        """The masks of each row, shape (structures, height, width)."""

        def convert(pixels: Pixels) -> Tensor:
            return masks_of(pixels, structures, self.variable.shape[1:])

        names = self.file_names and [splitext(name)[0] + ".png" for name in self.file_names]
        return read_pictures("masks", path, names, self.csv.lines, convert, self.problems, self.limits)

    def sources(self, structures: Sequence[str], reader_set: ReaderSet) -> dict[str, str]:
        """For the variables without a column: the masks where they have the structures, else a reader, by its kind.

        Where neither can fill a variable, that is noted.
        """
        quantities, lacking = self.graph.measured, self.lacking
        read = {name: type(reader_set.by_variable[name]).__name__ for name in lacking if name in reader_set.by_variable}
        on_masks = [n for n in lacking if n in quantities and set(quantities[n].structures) <= set(structures)]
        sources = read | dict.fromkeys(on_masks, MASKS)
        for name in lacking:
            if name not in sources:
                remedy = f"Say columns={{{name!r}: '...'}} if it is called otherwise"
                remedy += ", or give masks or a reader that measures it." if name in self.graph.measured else "."
                self.problems.add(name, "column", f"{unknown('column', name, self.csv.columns)} {remedy}")
        return sources

    def check_filled(self, table: Table) -> None:
        """Note the filled values that are outside the variable's bounds."""
        for name, source in table.filled.items():
            for row in self.graph[name].outside(table[name]).nonzero().flatten().tolist():
                what = f"{table[name][row]:g} by {source} is not {self.graph[name].allowed}"
                self.problems.add(name, "bounds", what, self.csv.lines[row])

    def _check_memory(self) -> None:
        """All images are held at once, of 4 bytes a number."""
        try:
            self.limits.check_size(*self.variable.shape[1:], f"{self.image} is declared with ")
            self.limits.check("bytes", 4 * len(self.csv) * prod(self.variable.shape), "the images take ")
        except ValueError as error:
            self.problems.add("images", "memory", str(error))
            self.problems.check()

    def _check_counts(self, size: tuple[int, ...]) -> None:
        """Pixels of the file are no pixels of the declared image: a column that counts them would be wrong throughout."""
        measured = [name for name in self.used if name in self.graph.measured]
        counts = next((name for name in measured if cast(Continuous, self.graph[name]).unit == PIXELS), None)
        if counts and size != self.variable.shape[1:]:
            old, new = ("x".join(map(str, one)) for one in (size, self.variable.shape[1:]))
            remedy = f"declare unit='fraction', or say columns={{{counts!r}: None}} to have it measured"
            raise ValueError(f"{counts} counts pixels, but the image is resized from {old} to {new}: {remedy}")


def _filled(table: Table, sources: Mapping[str, str], reader_set: ReaderSet) -> Table:
    """The table with the variables of `sources`, each measured or read once; all variables in the order of the graph."""
    graph, on_masks = table.graph, [name for name, source in sources.items() if source == MASKS]
    measured = {name: measure(graph, name, table.masks, table[graph.image_of(name)]) for name in on_masks}
    read = reader_set.read_all(table.values, [name for name in sources if name not in measured])
    values = {**table.values, **measured, **read}
    return replace(table, values={name: values[name] for name in graph}, filled=sources)
