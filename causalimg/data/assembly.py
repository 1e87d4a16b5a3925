"""The parts of a table, taken from its files one by one; what is wrong is noted, to be said all together."""

from collections.abc import Mapping, Sequence
from os.path import splitext
from pathlib import Path
from typing import cast

from torch import Tensor

from causalimg.data.filling import fillers
from causalimg.data.pictures import read_pictures
from causalimg.data.pixels import Normalise, Pixels, image_of, masks_of
from causalimg.data.problems import Problems
from causalimg.data.sheet import Sheet
from causalimg.data.table import Table
from causalimg.errors import unknown
from causalimg.graph import Continuous, Graph, Image
from causalimg.graph.quantities import PIXELS
from causalimg.readers import ReaderSet


class Assembly:
    """The parts of a table of `graph`, which has one image, in the CSV file at `path`. Raises TableError if it is none.

    `columns` says where a variable's column is not called like it; None: it is not to be read.
    """

    def __init__(self, graph: Graph, path: Path, columns: Mapping[str, str | None]) -> None:
        self.graph = graph
        (self.image,) = graph.images
        self.variable = cast(Image, graph[self.image])
        self.problems = Problems(path)
        self.sheet = Sheet.read(path, self.problems)
        asked = {name: columns.get(name, "file" if name == self.image else name) for name in graph}
        for name, column in asked.items():
            if name in columns and column is not None and column not in self.sheet.columns:
                self.problems.add(name, "column", str(unknown("column", column, self.sheet.columns)))
        self.files = self.sheet.columns.get(asked.pop(self.image) or "")
        self.used = {name: column for name, column in asked.items() if column in self.sheet.columns}
        self.lacking = [name for name in asked if name not in self.used and columns.get(name) is None]

    def numbers(self) -> dict[str, Tensor]:
        """The values of the variables that have a column and are no image."""
        read = self.sheet.numbers
        return {name: read(column, name, self.graph[name], self.problems) for name, column in self.used.items()}

    def extra(self) -> dict[str, list[str]]:
        """The other columns, as text; that of the file names is one of them."""
        return {name: cells for name, cells in self.sheet.columns.items() if name not in self.used.values()}

    def images(self, path: Path, normalise: Normalise | None) -> list[Tensor]:
        """The image of each row, shape (channels, height, width)."""

        def convert(pixels: Pixels) -> Tensor:
            image = image_of(pixels, self.variable, normalise)
            self._check_counts(pixels.shape[:2])
            return image

        return read_pictures("images", path, self.files, self.sheet.lines, convert, self.problems)

    def outlines(self, path: Path, structures: Sequence[str]) -> list[Tensor]:
        """The masks of each row, shape (structures, height, width)."""

        def convert(pixels: Pixels) -> Tensor:
            return masks_of(pixels, structures, self.variable.shape[1:])

        names = self.files and [splitext(name)[0] + ".png" for name in self.files]
        return read_pictures("masks", path, names, self.sheet.lines, convert, self.problems)

    def fillers(self, structures: Sequence[str], panel: ReaderSet) -> dict[str, str]:
        """What fills the variables without a column; where nothing can, that is noted."""
        able = fillers(self.lacking, structures, panel)
        for name in self.lacking:
            if name not in able:
                remedy = f"Say columns={{{name!r}: '...'}} if it is called otherwise"
                remedy += ", or give masks or a reader that measures it." if name in self.graph.measured else "."
                self.problems.add(name, "column", f"{unknown('column', name, self.sheet.columns)} {remedy}")
        return able

    def check_filled(self, table: Table) -> None:
        """Note the filled values that are outside the variable's bounds."""
        for name, source in table.filled.items():
            for row in self.graph[name].outside(table[name]).nonzero().flatten().tolist():
                what = f"{table[name][row]:g} by {source} is not {self.graph[name].allowed}"
                self.problems.add(name, "bounds", what, self.sheet.lines[row])

    def _check_counts(self, size: tuple[int, ...]) -> None:
        """Pixels of the file are no pixels of the declared image: a column that counts them would be wrong throughout."""
        measured = [name for name in self.used if name in self.graph.measured]
        counts = next((name for name in measured if cast(Continuous, self.graph[name]).unit == PIXELS), None)
        if counts and size != self.variable.shape[1:]:
            old, new = ("x".join(map(str, one)) for one in (size, self.variable.shape[1:]))
            remedy = f"declare unit='fraction', or say columns={{{counts!r}: None}} to have it measured"
            raise ValueError(f"{counts} counts pixels, but the image is resized from {old} to {new}: {remedy}")
