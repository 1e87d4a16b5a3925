"""All images and masks of a table, read row by row; whatever is wrong with one is noted, and the next is read."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path

from torch import Tensor

from causalimg.data.csv_file import CsvFile
from causalimg.data.folder import Folder
from causalimg.data.frame import WHOLE
from causalimg.data.images import Stack, source_of
from causalimg.data.limits import Limits
from causalimg.data.problems import Problems
from causalimg.data.scans import Scan, Scanning, spaced
from causalimg.data.spelling import plain
from causalimg.data.volumes import Picture, Volume
from causalimg.errors import unknown, warn
from causalimg.graph import Continuous

LEAST_MM = 1e-6
LOST = 0.01
"""Of a structure, beyond the image: of more there is a warning."""

SHOWN = 5

Source = Folder | Stack | None


@dataclass(frozen=True)
class Scanner:
    """Reads what is in files as `scanning` says, for the rows of `csv`; `problems` collects what is wrong.

    `image`: the name of the image. `counts`: a column that counts its pixels.
    """

    scanning: Scanning
    csv: CsvFile
    problems: Problems
    limits: Limits
    image: str
    counts: str | None

    def source(self, kind: str, path: Path, names: Sequence[str] | None, fields: Sequence[str] = ()) -> Source:
        """Where the `kind` (images or masks) of each row is; None, and noted, where that is nowhere."""
        return source_of(kind, path, names, self.csv.lines, self.problems, self.limits, fields)

    def read(
        self, images: Source, masks: Source, spacings: Sequence[float | None], rows: range, advance: Callable[[], None]
    ) -> list[Scan]:
        """What there is of each of `rows`: several of a volume. Warns of structures that lie beyond their image."""
        self._check_memory(len(rows))
        found: list[Scan] = []
        for row in rows:
            image, labels = self._open(images, "images", row), self._open(masks, "masks", row)
            found += self._scans(row, image, labels, spacings[row])
            self._check_memory(len(found))
            advance()
        self._warn_of_lost(found)
        return found

    def _open(self, source: Source, kind: str, row: int) -> Picture | Volume | None:
        with self.problems.noted(kind, self.csv.lines[row]):
            return None if source is None else source[row]
        return None

    def _scans(
        self, row: int, image: Picture | Volume | None, labels: Picture | Volume | None, spacing: float | None
    ) -> Iterator[Scan]:
        line = self.csv.lines[row]
        if image is None and isinstance(labels, Picture):
            with self.problems.noted("masks", line):
                self.scanning.masks(labels.pixels, WHOLE)
        with self.problems.noted("images", line):
            for picture, mask in self.scanning.pictures(image, labels) if image is not None else ():
                yield from self._scan(row, spaced(picture, spacing), mask)

    def _scan(self, row: int, picture: Picture, labels: Picture | None) -> Iterator[Scan]:
        """None of what is wrong: that is noted."""
        line, frame, image = self.csv.lines[row], WHOLE, None
        with self.problems.noted("images", line):
            image, frame = self.scanning.image(picture)
            self._check_counts(picture.shape[:2])
        masks: Tensor | None = None
        lost: list[float] = []
        if labels is not None:
            with self.problems.noted("masks", line):
                masks, lost = self.scanning.masks(labels.pixels, frame)
        if image is not None:
            pixel = frame.pixel(picture, self.scanning.variable.shape[1:])
            yield Scan(row, image, masks, pixel, picture.slice, lost, picture.fields)

    def _warn_of_lost(self, found: Sequence[Scan]) -> None:
        """Say what of the structures no image shows: what is measured on the masks is too small by it."""
        for i, structure in enumerate(self.scanning.structures):
            gone = [(self.csv.lines[one.row], one.lost[i]) for one in found if one.lost and one.lost[i] > LOST]
            if gone:
                lines, most = ", ".join(str(line) for line, _ in gone[:SHOWN]), max(share for _, share in gone)
                more = f" and {len(gone) - SHOWN} more" * (len(gone) > SHOWN)
                warn(f"up to {most:.0%} of {structure} lies beyond the declared image (lines {lines}{more})")

    def _check_memory(self, images: int) -> None:
        """All images are held at once, of 4 bytes a number."""
        shape = self.scanning.variable.shape
        try:
            self.limits.check_size(*shape[1:], f"{self.image} is declared with ")
            self.limits.check("bytes", 4 * images * prod(shape), "the images take ")
        except ValueError as error:
            self.problems.add("images", "memory", str(error))
            self.problems.check()

    def _check_counts(self, size: tuple[int, ...]) -> None:
        """Pixels of the file are no pixels of the declared image: a column that counts them would be wrong throughout."""
        if self.counts and size != self.scanning.variable.shape[1:]:
            old, new = ("x".join(map(str, one)) for one in (size, self.scanning.variable.shape[1:]))
            remedy = f"declare unit='fraction', or say columns={{{self.counts!r}: None}} to have it measured"
            raise ValueError(f"{self.counts} counts pixels, but the image is resized from {old} to {new}: {remedy}")


def spacings(csv: CsvFile, column: str | None, problems: Problems) -> list[float | None]:
    """The numbers in `column`, the side of a pixel in mm, by row; what is none is noted, and None."""
    if column is None or plain(column) not in csv.columns:
        if column is not None:
            problems.add("spacing", "column", str(unknown("column", column, csv.columns)))
        return [None] * len(csv)
    positive = Continuous(unit="mm", bounds=(LEAST_MM, None))
    sizes = csv.numbers(plain(column), column, positive, problems).double().tolist()
    return [size if size >= LEAST_MM else None for size in sizes]
