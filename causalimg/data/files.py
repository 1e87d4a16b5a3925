"""A folder of images plus a CSV file becomes a table for a graph, or an error that says everything that is wrong."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from copy import copy, deepcopy
from dataclasses import dataclass, replace
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import cast

import torch
from torch import Tensor

from causalimg.data.arrays import Normalise
from causalimg.data.csv_file import CsvFile
from causalimg.data.dicom import series_in
from causalimg.data.folder import Folder
from causalimg.data.frame import Fit
from causalimg.data.limits import USUAL, Limits
from causalimg.data.normalise import Percentile, Window
from causalimg.data.on_disk import store_table
from causalimg.data.preprocessing import Preprocessing
from causalimg.data.problems import Problems, TableError
from causalimg.data.scanner import Scanner, Source, spacings
from causalimg.data.scans import Scan, Scanning, check_ways
from causalimg.data.slices import Slices
from causalimg.data.spelling import plain
from causalimg.data.store import clear
from causalimg.data.table import Table
from causalimg.errors import check_kind, check_known, unknown, whole, wrong_kind
from causalimg.graph import Continuous, Graph, Image, as_graph, measure
from causalimg.graph.quantities import PIXELS
from causalimg.readers import Reader, ReaderSet
from causalimg.stored import state_of
from causalimg.training.counting import Counting
from causalimg.values import by_name, digests

MASKS, FILES = "masks", "files"
"""What `Table.filled` says of a variable that was measured on the masks, and of one that the files of the images say."""

SLICE = "slice"
"""The column that has the number of a slice."""


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
    slices: Slices | None = None,
    fit: Fit | None = None,
    spacing: str | None = None,
    pixel_size: str | None = None,
    fields: Sequence[str] = (),
    limits: Limits = USUAL,
    store: str | Path | None = None,
    workers: int = 0,
) -> Table:
    """The table of `graph` that a CSV file (UTF-8, commas, names in the first line) and its images hold.

    A variable's column has its name, or the one that `columns` says: ``{"lv_area": "LV area", "x": "image_file"}``. A
    categorical cell holds a level, letter for letter; a number has plain digits and a point. Spaces about a name, a level or a
    number don't count, nor how Unicode composes a letter. Columns that are no variables are kept as `Table.extra`, as they are.

    images
        The folder of the files that the image's column (``file``, unless `columns` says otherwise) names, by default the
        folder of the CSV, a file for each row: PNG, JPEG, TIFF (8 or 16 bits, floats), upright as EXIF says; NIfTI; DICOM, or a
        folder of it; or NPZ with one array. Or an NPZ file with an array ``images`` (rows, height, width[, channels]) in the
        order of the rows. Integers without a sign fill the image's bounds, floats must lie within. What is transparent, or of
        several frames, is refused.
        Images are brought to the declared shape by area averaging: where the graph declares a spacing and the file, or the column
        `spacing`, has one, so many mm about the middle; else the whole image, so that a declared spacing is that of the result.
    normalise
        Done to the pixels of each image before it is resized: `Percentile(1, 99)`, `Window(40, 400)`, or any function to [0, 1]
        (of which nothing can say whether it is still the same: not with a `store`).
    masks
        Outlines of `structures`, whose labels are 1, 2, ... in this order, and 0 elsewhere: an NPZ file with an array ``labels``
        (rows, height, width), or a folder of PNG, NIfTI or DICOM files named like those of the images. Resized like the images,
        then cut at 0.5. Of a volume, the mask has its voxels.
    readers
        A variable without a column (or with ``columns={"lv_area": None}``) is measured on the masks, where they have its
        structures, else read by the one of `readers` that can; `Table.filled` says which were.
    slices
        Which slices of a volume are rows; each has all that the line of the volume says, and its number in a column ``slice``.
    fit
        What is done to an image whose sides have other proportions than those declared: "stretch" it, "pad" it with its least
        value (masks with background), or "crop" it.
    spacing
        The column that has the side of a pixel of the file in mm, where files don't say it.
    pixel_size
        The variable, or else the extra column, that gets the side of a pixel in mm, of the image as it is read. For a graph
        that declares no spacing.
    fields
        Fields of DICOM headers, such as ``("PatientSex",)``, that become extra columns. Nothing else of a header is kept.
    limits
        How much a file may hold and where it may lie; what is beyond is refused, and the error says how to raise it.
    store
        A folder for images and masks, which are read from there row by row, so that they need not fit into memory. Files are read
        once, in so many processes as `workers` says (0: in this one); the same call goes on where it was cut short, and reads
        none again. Where the CSV file, an image, a mask or a reader was changed since, the folder is refused; who moved or
        removed the files opens it with `load_table`. See `store_table`.

    Raises TableError with everything that is wrong in the files, and the lines where it is; nothing is dropped. Raises
    ValueError or TypeError on arguments that can't be right, and ImportError where NIfTI or DICOM need a package. Warns of
    structures that lie beyond the image in part.
    """
    graph, workers = as_graph(graph), whole("workers", workers, 0)
    check_known("variable", by_name("columns", columns or {}, "names of columns by variable").keys(), graph)
    if normalise is not None and not callable(normalise):
        raise wrong_kind("normalise", "a function of an image's pixels", normalise)
    if store is not None:
        check_kind("normalise (with a store)", normalise, Percentile, Window, type(None))
    if len(graph.images) != 1:
        raise ValueError(
            f"read_table reads one image a row, {graph.title} has {len(graph.images)}: make a Table yourself"
        )
    if isinstance(structures, str) or (masks is None) != (not structures):
        raise ValueError(f"masks go with structures=('...', ...), got masks={masks!r} and structures={structures!r}")
    check_ways(slices, fit, fields)
    reader_set = ReaderSet(graph, readers)
    files = _Files(graph, Path(csv), columns or {}, limits, pixel_size)
    files.check_pixel_size(spacing)
    values = files.numbers()
    sources = files.sources(structures, reader_set)
    how = Preprocessing(normalise=normalise, slices=slices, fit=fit, spacing=spacing)
    scanner = files.scanner(Scanning(files.variable, how, structures))
    folders = [Path(csv).parent if images is None else Path(images), *([] if masks is None else [Path(masks)])]
    of_images = scanner.source("images", folders[0], files.file_names, fields)
    of_masks = None if masks is None else scanner.source("masks", folders[1], files.file_names)
    sizes = spacings(files.csv, spacing, files.problems)
    read = _Reading(files, scanner.scanning, (of_images, of_masks), values, sizes, fields, sources, reader_set)
    n = len(files.csv)
    if store is None:
        with Counting(f"reading {csv}", n, "rows") as counting:
            return read(range(n), counting.advance)
    files.problems.check()
    about = {
        "graph": graph.to_data(),
        "csv": sha256(Path(csv).read_bytes()).hexdigest(),
        "folders": [str(folder.resolve()) for folder in folders],
        "files": _state([file for found in zip(read.scans, folders, strict=False) for file in _found(*found, n)]),
        "how": how.to_data(),
        "columns": dict(columns or {}),
        "readers": [[reader.describe(), digests(reader.state_dict())] for reader in readers],
        "others": [list(structures), pixel_size, list(fields)],
    }
    parts = [partial(read, range(n)[start : start + PART]) for start in range(0, n, PART)]
    try:
        return store_table(store, parts, workers=workers, about=about)
    except TableError:  # the lines or the files will change, and with them what the table is about
        clear(store)
        raise


PART = 256
"""So many rows are read at once of a table that is kept on disk."""


class _Files:
    """The CSV file at `path` and the images of a table of `graph`, which has one image; `problems` collects what is wrong.

    `columns` says where a variable's column is not called like it; None: it is not to be read. `pixel_size`: the variable or
    column that gets the side of a pixel. Raises TableError for what is no CSV file.
    """

    def __init__(
        self,
        graph: Graph,
        path: Path,
        columns: Mapping[str, str | None],
        limits: Limits,
        pixel_size: str | None = None,
    ) -> None:
        self.graph, self.limits, self.pixel_size = graph, limits, pixel_size
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
        if pixel_size is not None:
            asked.pop(pixel_size, None)
        self.used = {name: column for name, column in asked.items() if column in self.csv.columns}
        self.lacking = [name for name in asked if name not in self.used and columns.get(name) is None]

    def numbers(self) -> dict[str, Tensor]:
        """The values of the variables that have a column and are no image."""
        read = self.csv.numbers
        return {name: read(column, name, self.graph[name], self.problems) for name, column in self.used.items()}

    def check_pixel_size(self, spacing: str | None) -> None:
        """Raise ValueError where a pixel's size is nothing that can be told; note a column that it would be written over."""
        name = self.pixel_size
        if name is None:
            return
        if self.variable.spacing is not None:
            declared = f"{self.image} declares spacing={self.variable.spacing}, to which images are resampled"
            raise ValueError(f"pixel_size={name!r}: {declared}: declare none, or leave pixel_size out")
        if name in self.graph and (self.graph[name].discrete or self.graph[name].value_shape):
            raise ValueError(f"pixel_size={name!r} is no number")
        if name not in self.graph:
            self._check_new([name] if name != spacing else [], "pixel_size")

    def table(
        self, values: Mapping[str, Tensor], scans: Sequence[Scan], structures: Sequence[str], fields: Sequence[str]
    ) -> Table:
        """The rows that were read: what a line of the file says, for each of its `scans`."""
        rows = [scan.row for scan in scans]
        extra = {
            name: [cells[row] for row in rows]
            for name, cells in self.csv.columns.items()
            if name not in self.used.values()
        }
        extra |= {name: [scan.fields[name] for scan in scans] for name in fields}
        if any(scan.slice is not None for scan in scans):
            extra[SLICE] = ["" if scan.slice is None else str(scan.slice) for scan in scans]
        self._check_new([*fields, *([SLICE] * (SLICE in extra))], "images")
        read = {name: column[rows] for name, column in values.items()}
        read[self.image] = torch.stack([scan.image for scan in scans])
        masks = [scan.masks for scan in scans if scan.masks is not None]
        by_structure = dict(zip(structures, torch.stack(masks).unbind(1), strict=True)) if masks else {}
        self._add_pixel_sizes(read, extra, scans)
        self.problems.check()
        filled = {name: FILES for name in read if name == self.pixel_size}
        return Table(self.graph, read, by_structure, extra, filled, [self.csv.lines[row] for row in rows])

    def _add_pixel_sizes(self, values: dict[str, Tensor], extra: dict[str, list[str]], scans: Sequence[Scan]) -> None:
        if self.pixel_size is None:
            return
        sizes = []
        for scan in scans:
            with self.problems.noted("images", self.csv.lines[scan.row]):
                sizes.append(scan.pixel_mm)
        if self.pixel_size in self.graph:
            values[self.pixel_size] = torch.tensor(sizes)
        else:
            extra[self.pixel_size] = [f"{size:.6g}" for size in sizes]

    def _check_new(self, names: Sequence[str], where: str) -> None:
        """Note columns that files would be written over."""
        for name in names:
            if name in self.csv.columns:
                self.problems.add(
                    where, "column", f"the file has a column {name!r} already: call one of them otherwise"
                )

    def again(self) -> "_Files":
        """The same, with the problems so far; others don't reach this one."""
        other = copy(self)
        other.problems = deepcopy(self.problems)
        return other

    def scanner(self, scanning: Scanning) -> Scanner:
        """What reads the files of its rows."""
        return Scanner(scanning, self.csv, self.problems, self.limits, self.image, self._counts)

    @property
    def _counts(self) -> str | None:
        """A column that counts pixels."""
        measured = [name for name in self.used if name in self.graph.measured]
        return next((name for name in measured if cast(Continuous, self.graph[name]).unit == PIXELS), None)

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
                self.problems.add(name, "bounds", what, table.lines[row])


@dataclass(frozen=True)
class _Reading:
    """Reads rows of a table of `files` as `scanning` says: their `scans` (images, masks), the `values` and `sizes` of pixels that
    lines say, and what `sources` say is measured, or read by `reader_set`. It goes to other processes."""

    files: _Files
    scanning: Scanning
    scans: tuple[Source, Source]
    values: Mapping[str, Tensor]
    sizes: Sequence[float | None]
    fields: Sequence[str]
    sources: Mapping[str, str]
    reader_set: ReaderSet

    def __call__(self, rows: range, advance: Callable[[], None] = lambda: None) -> Table:
        """What is read of these rows. Raises TableError with all that is wrong in them."""
        files = self.files.again()
        scans = files.scanner(self.scanning).read(*self.scans, self.sizes, rows, advance)
        files.problems.check()
        in_mm = files.variable.spacing is not None and all(scan.pixel for scan in scans)
        read = files.table(self.values, scans, self.scanning.structures, self.fields)
        table = replace(read, preprocessing=self.scanning.how.over(in_mm=in_mm))
        table = _filled(table, self.sources, self.reader_set)
        files.check_filled(table)
        files.problems.check()
        return table


def _found(source: Source, path: Path, rows: int) -> Iterator[Path]:
    """The files of `source`, which is at `path`: those that are there."""
    if not isinstance(source, Folder):
        yield path
        return
    for row in range(rows):
        with suppress(OSError, ValueError):
            file = source.file(row)
            yield from series_in(file) if file.is_dir() else [file]


def _state(files: Iterable[Path]) -> str:
    """Another text where one of `files` was written anew: a digest of their names, sizes and times."""
    digest = sha256()
    for file in files:
        digest.update("".join(f"{part}\0" for part in (file, *state_of(file))).encode())
    return digest.hexdigest()


def _filled(table: Table, sources: Mapping[str, str], reader_set: ReaderSet) -> Table:
    """The table with the variables of `sources`, each measured or read once; all variables in the order of the graph."""
    graph, on_masks = table.graph, [name for name, source in sources.items() if source == MASKS]
    measured = {name: measure(graph, name, table.masks, table[graph.image_of(name)]) for name in on_masks}
    read = reader_set.read_all(table.values, [name for name in sources if name not in measured])
    values = {**table.values, **measured, **read}
    return replace(table, values={name: values[name] for name in graph}, filled={**table.filled, **sources})
