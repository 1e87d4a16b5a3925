"""Tables of images and facts, read from files of all kinds."""

import io
import os
import struct
import zipfile
import zlib
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import torch
from numpy.typing import NDArray

import causalimg as ci
from benchmarks.reliability.case import Case, Right, answers, either, refuses

Pixels = NDArray[Any]
HEADER = "file,patient,age,sex,lv_area"
ROWS = ("a.png,p1,53,female,0.25", "b.png,p1,61.5,male,0.5", "c.png,p2,70,male,0")


class Heart(ci.Graph):
    """A heart of four by four pixels."""

    age = ci.Continuous(unit="year", bounds=(0, 110))
    sex = ci.Categorical(levels=("female", "male"))
    lv_area = ci.Continuous(parents=[age, sex], unit="fraction", bounds=(0, 0.9), measured=ci.Area("lv"))
    x = ci.Image(parents=[sex, lv_area], shape=(1, 4, 4))


class Only(ci.Graph):
    """An image and nothing else."""

    x = ci.Image(shape=(1, 4, 4))


def grey(value: int = 51, size: tuple[int, ...] = (4, 4), kind: Any = np.uint8) -> Pixels:
    """Pixels of one grey."""
    return np.full(size, value, kind)


def three() -> None:
    """Three images."""
    for name, value in {"a": 0, "b": 51, "c": 255}.items():
        PIL.Image.fromarray(grey(value)).save(f"{name}.png")


def read(text: str | bytes, **asked: Any) -> ci.Table:
    """The table of a CSV with this text, beside three images."""
    three()
    Path("heart.csv").write_bytes(text if isinstance(text, bytes) else text.encode())
    return ci.read_table(Heart, "heart.csv", **asked)


def rows(*lines: str, header: str = HEADER) -> str:
    """The text of a CSV."""
    return "\n".join([header, *lines]) + "\n"


def cell(right: str, wrong: str) -> ci.Table:
    """The table, with a cell that is wrong."""
    text = rows(*ROWS)
    assert right in text
    return read(text.replace(right, wrong, 1))


CELLS: dict[str, tuple[tuple[str, str], Right]] = {
    "an age that is empty": (("53", ""), refuses("age", "empty", "line 2")),
    "an age of blanks": (("53", "  "), refuses("age", "empty", "line 2")),
    "an age that is a text": (("53", "old"), refuses("age", "old", "line 2")),
    "an age with its unit": (("53", "53 years"), refuses("age", "53 years", "line 2")),
    "an age with a comma for its point": (("61.5", '"61,5"'), refuses("age", "61,5", "line 3")),
    "an age with an underscore": (("53", "5_2"), refuses("age", "5_2", "line 2")),
    "an age in other digits": (("53", "٥٣"), refuses("age", "٥٣", "line 2")),
    "an age in hexadecimal": (("53", "0x35"), refuses("age", "0x35", "line 2")),
    "an age that is NaN": (("53", "nan"), refuses("age", "nan", "line 2")),
    "an age that is NA": (("53", "NA"), refuses("age", "NA", "line 2")),
    "an age that is infinite": (("53", "inf"), refuses("age", "inf", "line 2")),
    "an age out of bounds": (("53", "530"), refuses("age", "530", "line 2")),
    "an age below 0": (("53", "-53"), refuses("age", "-53", "line 2")),
    "an age beyond float64": (("53", "1e999"), refuses("age", "1e999", "line 2")),
    "an age with blanks around it": (("53", " 53 "), answers(lambda t: t["age"][0] == 53)),
    "an age with a formula": (("53", "=50+3"), refuses("age", "=50+3", "line 2")),
    "a sex with a typo": (("female", "femal"), refuses("sex", "Did you mean 'female'", "line 2")),
    "a sex in capitals": (("female", "Female"), refuses("sex", "Did you mean 'female'", "line 2")),
    "a sex with a blank": (
        ("female", "female "),
        either(lambda t: t["sex"][0] == 0, "sex", "Did you mean 'female'", "line 2"),
    ),
    "a sex that is empty": (("female", ""), refuses("sex", "empty", "line 2")),
    "a sex by its index": (("female", "0"), refuses("sex", "0", "line 2")),
    "an area out of bounds": (("0.25", "25"), refuses("lv_area", "25", "line 2")),
    "one file for two patients": (("c.png,p2", "a.png,p2"), refuses("a.png", "lines 2, 4")),
    "one file twice for one patient": (("b.png,p1", "a.png,p1"), refuses("a.png", "2, 3")),
    "a file that is not there": (("a.png", "d.png"), refuses("d.png", "line 2")),
    "a file in capitals": (("a.png", "A.PNG"), refuses("A.PNG", "Did you mean 'a.png'", "line 2")),
    "a file without its ending": (("a.png", "a"), refuses("'a'", "Did you mean 'a.png'", "line 2")),
    "a file with a blank": (
        ("a.png", "a.png "),
        either(lambda t: t["x"][0].max() == 0, "a.png ", "Did you mean 'a.png'", "line 2"),
    ),
    "no file": (("a.png,", ","), refuses("file", "line 2")),
    "a folder for a file": (("a.png,", ".,"), refuses("'.'", "line 2")),
    "a file above the folder": (("a.png,", "../a.png,"), refuses("../a.png", "line 2")),
    "a file by its path from the root": (("a.png,", "/etc/hostname,"), refuses("/etc/hostname", "line 2")),
    "a file with a NUL in its name": (("a.png,", "a\x00.png,"), refuses()),
    "a file with a name of ten thousand letters": (("a.png,", f"{'a' * 10_000}.png,"), refuses("line 2")),
    "a file that is a pipe": (("a.png,", "pipe,"), refuses("pipe", "line 2")),
}

PATIENTS: dict[str, tuple[tuple[str, str], Right]] = {
    "a patient that is empty": (("p2", ""), refuses("patient", "line 4")),
    "a patient of blanks": (("p2", "  "), refuses("patient", "line 4")),
    "a patient with a blank before": (("b.png,p1", "b.png, p1"), refuses("patient", "p1", "3")),
    "a patient with a blank after": (("b.png,p1", "b.png,p1 "), refuses("patient", "p1", "3")),
    "a patient in capitals": (("b.png,p1", "b.png,P1"), refuses("patient", "P1", "line")),
}


def split(right: str, wrong: str) -> bool:
    """The table, with a cell that is wrong, in two parts by patient."""
    return bool(cell(right, wrong).split("patient", (0.5, 0.5)))


TABLES: dict[str, tuple[str | bytes, Right]] = {
    "all right": (rows(*ROWS), answers(lambda t: len(t) == 3 and t["age"].tolist() == [53, 61.5, 70])),
    "an empty file": ("", refuses("heart.csv", "row")),
    "a header alone": (rows(), refuses("heart.csv", "no row")),
    "blank lines": (rows(ROWS[0], "", *ROWS[1:], ""), answers(lambda t: len(t) == 3)),
    "semicolons": (rows(*ROWS).replace(",", ";"), refuses("heart.csv", "commas")),
    "tabs": (rows(*ROWS).replace(",", "\t"), refuses("heart.csv", "commas")),
    "UTF-16": (rows(*ROWS).encode("utf-16"), refuses("heart.csv", "UTF-8")),
    "Latin-1": (rows(*ROWS).replace("p2", "müller").encode("latin-1"), refuses("heart.csv", "UTF-8")),
    "a mark of the byte order": (b"\xef\xbb\xbf" + rows(*ROWS).encode(), answers(lambda t: len(t) == 3)),
    "lines that end as on Windows": (rows(*ROWS).replace("\n", "\r\n"), answers(lambda t: len(t) == 3)),
    "lines that end as on an old Mac": (rows(*ROWS).replace("\n", "\r"), answers(lambda t: len(t) == 3)),
    "no end of the last line": (rows(*ROWS).rstrip(), answers(lambda t: len(t) == 3)),
    "a NUL": (rows(*ROWS) + "\x00", refuses("heart.csv")),
    "random bytes": (bytes(range(256)) * 20, refuses("heart.csv")),
    "a picture for a table": (b"\x89PNG\r\n\x1a\n" + bytes(100), refuses("heart.csv")),
    "a row with a cell too few": (rows(*ROWS[:2], "c.png,p2,70,male"), refuses("line 4", "4 cells")),
    "a row with a cell too many": (rows(*ROWS[:2], ROWS[2] + ",1"), refuses("line 4", "6 cells")),
    "a quote that is not closed": (rows(ROWS[0], 'b.png,"p1,61.5,male,0.5', ROWS[2]), refuses("heart.csv")),
    "a quoted cell with a line in it": (
        rows(ROWS[0], 'b.png,"p\n1",61.5,male,0.5', ROWS[2]),
        answers(lambda t: len(t) == 3),
    ),
    "two columns of one name": (rows(*(f"{r},1" for r in ROWS), header=f"{HEADER},age"), refuses("two columns", "age")),
    "a column without a name": (
        rows(*(f"{r},1" for r in ROWS), header=f"{HEADER},"),
        either(lambda t: len(t) == 3, "column"),
    ),
    "a column with a typo": (rows(*ROWS, header=HEADER.replace("age", "aeg")), refuses("age", "Did you mean 'aeg'")),
    "a column in capitals": (rows(*ROWS, header=HEADER.replace("age", "Age")), refuses("age", "Did you mean 'Age'")),
    "a column with a blank": (
        rows(*ROWS, header=HEADER.replace("age", " age")),
        either(lambda t: t["age"][0] == 53, "age", "Did you mean ' age'"),
    ),
    "no column of files": (rows(*ROWS, header=HEADER.replace("file", "picture")), refuses("file")),
    "a row twice": (rows(*ROWS, ROWS[2]), refuses("c.png", "4, 5")),
    "a cell of a megabyte": (rows(*ROWS[:2], f"c.png,{'p' * 1_000_000},70,male,0"), refuses("heart.csv")),
    "ten thousand wrong rows": (
        rows(*ROWS, *(f"{i}.png,p{i},old,femal,2" for i in range(10_000))),
        refuses("age", "sex", "more"),
    ),
    "a million commas": (rows(*ROWS) + "," * 1_000_000, refuses("heart.csv")),
}


def with_columns(columns: Any) -> ci.Table:
    """The table, with columns that are called otherwise."""
    return read(rows(*ROWS), columns=columns)


COLUMNS: dict[str, tuple[Any, Right]] = {
    "a column that is not there": ({"age": "years"}, refuses("age", "years")),
    "a variable that is not there": ({"aeg": "age"}, refuses("aeg", "Did you mean 'age'")),
    "a list": (["age"], refuses("columns")),
    "a text": ("age", refuses("columns")),
    "one column for two variables": ({"lv_area": "age"}, refuses("age")),
    "a number": ({"age": 3}, refuses("age", "3")),
    "none for what nothing reads": ({"age": None}, refuses("age")),
}

PLACES: dict[str, tuple[Callable[[], Any], Right]] = {
    "a CSV that is not there": (lambda: ci.read_table(Heart, "none.csv"), refuses("none.csv")),
    "a CSV that is a folder": (lambda: ci.read_table(Heart, "."), refuses("folder")),
    "a folder of images that is not there": (lambda: read(rows(*ROWS), images="none"), refuses("none")),
    "a folder of images that is a file": (lambda: read(rows(*ROWS), images="a.png"), refuses("a.png")),
    "an NPZ that is none": (
        lambda: (Path("i.npz").write_bytes(b"PK\3\4"), read(rows(*ROWS), images="i.npz")),
        refuses("i.npz"),
    ),
    "an NPZ without images": (lambda: npz(pictures=grey(size=(3, 4, 4))), refuses("images", "pictures")),
    "an NPZ with too few images": (lambda: npz(images=grey(size=(2, 4, 4))), refuses("2 images", "3 rows")),
    "an NPZ with a single number": (lambda: npz(images=np.uint8(3)), refuses("images")),
    "an NPZ with images": (lambda: npz(images=grey(size=(3, 4, 4))), answers(lambda t: (t["x"] == 0.2).all())),
    "an NPZ with pickled objects": (lambda: npz(images=np.array([{}, {}, {}])), refuses("i.npz")),
    "structures without masks": (lambda: read(rows(*ROWS), structures=("lv",)), refuses("masks")),
    "masks without structures": (lambda: read(rows(*ROWS), masks="."), refuses("structures")),
    "structures as one text": (lambda: read(rows(*ROWS), masks=".", structures="lv"), refuses("structures")),
    "one structure twice": (lambda: read(rows(*ROWS), masks=".", structures=("lv", "lv")), refuses("lv")),
    "masks that are pictures": (lambda: read(rows(*ROWS), masks=".", structures=("lv",)), refuses("labels", "51")),
    "masks that are not there": (
        lambda: (Path("m").mkdir(), read(rows(*ROWS), masks="m", structures=("lv",))),
        refuses("a.png", "line 2"),
    ),
    "masks of other rows": (lambda: masked(np.zeros((2, 4, 4), np.uint8)), refuses("2 labels", "3 rows")),
    "masks of floats": (lambda: masked(np.zeros((3, 4, 4))), refuses("labels", "float64", "integers")),
    "masks of negative labels": (lambda: masked(-np.ones((3, 4, 4), np.int64)), refuses("labels", "-1")),
    "masks of another size": (lambda: masked(np.zeros((3, 9, 7), np.uint8)), either(lambda t: True, "masks", "9")),
    "a reader of nothing here": (
        lambda: read(rows(*ROWS), readers=[ci.Segmentor.unet(("liver",), width=4)]),
        refuses("liver"),
    ),
    "a graph with two images": (
        lambda: ci.read_table(ci.Graph.of(x=ci.Image(shape=(1, 4, 4)), y=ci.Image(shape=(1, 4, 4))), "heart.csv"),
        refuses("one image"),
    ),
    "a graph without images": (
        lambda: ci.read_table(ci.Graph.of(a=ci.Continuous()), "heart.csv"),
        refuses("one image"),
    ),
    "percentiles upside down": (lambda: ci.Percentile(90, 10), refuses("90", "10")),
    "percentiles beyond 100": (lambda: ci.Percentile(1, 990), refuses("high", "990")),
    "percentiles that are NaN": (lambda: ci.Percentile(float("nan"), 99), refuses("low", "nan")),
    "a normalisation that is a text": (lambda: read(rows(*ROWS), normalise="percentile"), refuses("normalise")),
    "a normalisation beyond the bounds": (
        lambda: read(rows(*ROWS), normalise=lambda p: p + 7.0),
        refuses("[0, 1]", "line 2"),
    ),
    "a normalisation to NaN": (
        lambda: read(rows(*ROWS), normalise=lambda p: p * float("nan")),
        refuses("nan", "lines 2, 3, 4"),
    ),
    "a normalisation to another size": (
        lambda: read(rows(*ROWS), normalise=lambda p: p[:, 0] / 255),
        refuses("shape", "lines 2, 3, 4"),
    ),
    "images without contrast": (lambda: read(rows(*ROWS), normalise=ci.Percentile()), refuses("no contrast", "line")),
}


def npz(**arrays: Any) -> ci.Table:
    """The table, its images in an NPZ with these arrays."""
    np.savez("i.npz", **arrays)
    return read(rows(*ROWS), images="i.npz")


def masked(labels: Pixels) -> ci.Table:
    """The table, its masks in an NPZ."""
    np.savez("m.npz", labels=labels)
    return read(rows(*ROWS), masks="m.npz", structures=("lv",))


def image(name: str, make: Callable[[Path], Any], graph: Any = Only, **asked: Any) -> Any:
    """The image of a table whose only row has the file that `make` writes."""
    make(Path(name))
    Path("heart.csv").write_text(f"file\n{name}\n")
    return ci.read_table(graph, "heart.csv", **asked)["x"][0]


def saved(pixels: Pixels, **how: Any) -> Callable[[Path], Any]:
    """Writes these pixels."""
    return lambda path: PIL.Image.fromarray(pixels).save(path, **how)


def picture(mode: str, colour: Any, size: int = 4, **how: Any) -> Callable[[Path], Any]:
    """Writes a picture of this mode and colour."""
    return lambda path: PIL.Image.new(mode, (size, size), colour).save(path, **how)


def turned(orientation: int) -> Callable[[Path], Any]:
    """Writes a picture whose upper half is white, as a camera that was turned says so."""

    def write(path: Path) -> None:
        exif = PIL.Image.Exif()
        exif[0x0112] = orientation
        pixels = np.zeros((32, 32), np.uint8)
        pixels[:16] = 255
        PIL.Image.fromarray(pixels).save(path, exif=exif)

    return write


WHITE = {1: (0, slice(None)), 3: (3, slice(None)), 6: (slice(None), 3), 8: (slice(None), 0)}
"""By orientation, where the white half is when the picture is upright: an edge of the image."""


def upright(orientation: int) -> Callable[[Any], bool]:
    """Whether the white half is where it belongs."""
    return lambda x: bool((x[0][WHITE[orientation]] > 0.9).all()) and 0.4 < float(x.mean()) < 0.6


def chunk(kind: bytes, data: bytes) -> bytes:
    """A part of a PNG."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def huge_png(path: Path, side: int = 60_000) -> None:
    """A small file that claims to be a picture of so many pixels."""
    packer, line = zlib.compressobj(9), bytes(side + 1)
    rows_ = b"".join(packer.compress(line) for _ in range(2000)) + packer.flush()
    head = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", rows_) + chunk(b"IEND", b""))


def large_png(path: Path) -> None:
    """A small file that is a picture of 144 million pixels."""
    packer = zlib.compressobj(9)
    line = bytes(12_001)
    data = b"".join(packer.compress(line) for _ in range(12_000)) + packer.flush()
    head = struct.pack(">IIBBBBB", 12_000, 12_000, 8, 0, 0, 0, 0)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", data) + chunk(b"IEND", b""))


def claiming(shape: tuple[int, ...], kind: str = "|u1") -> Callable[[Path], Any]:
    """Writes an NPZ whose array claims this shape, and holds nothing."""

    def write(path: Path) -> None:
        head = io.BytesIO()
        np.lib.format.write_array_header_1_0(head, {"descr": kind, "fortran_order": False, "shape": shape})
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("images.npy", head.getvalue())

    return write


def zeros_npz(path: Path) -> None:
    """A small NPZ that unpacks to four gigabytes."""
    head = io.BytesIO()
    np.lib.format.write_array_header_1_0(head, {"descr": "|u1", "fortran_order": False, "shape": (65_536, 65_536)})
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("images.npy", "w", force_zip64=True) as file,
    ):
        file.write(head.getvalue())
        for _ in range(512):
            file.write(bytes(2**23))


def eps(path: Path) -> None:
    """A drawing in PostScript, which an external program draws."""
    path.write_text("%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 4 4\n(ran) (w) file closefile\nshowpage\n%%EOF\n")


def frames(path: Path) -> None:
    """Three pictures in one file."""
    first, *others = (PIL.Image.new("L", (4, 4), value) for value in (10, 100, 200))
    first.save(path, save_all=True, append_images=others)


def near(value: float) -> Callable[[Any], bool]:
    """Whether the image is of this grey."""
    return lambda x: x.shape[-2:] == (4, 4) and bool((x - value).abs().max() < 0.01)


IMAGES: dict[str, tuple[str, Callable[[Path], Any], Right]] = {
    "a PNG of 8 bits": ("a.png", saved(grey()), answers(near(0.2))),
    "a PNG of 16 bits": ("a.png", saved(grey(13107, kind=np.uint16)), answers(near(0.2))),
    "a PNG of 1 bit": ("a.png", picture("1", 1), answers(near(1))),
    "a PNG in colour": ("a.png", picture("RGB", (51, 51, 51)), answers(near(0.2))),
    "a PNG with a palette of greys": (
        "a.png",
        lambda path: PIL.Image.new("L", (4, 4), 51).convert("P", palette=PIL.Image.Palette.ADAPTIVE).save(path),
        answers(near(0.2)),
    ),
    "a PNG with a palette of colours": ("a.png", lambda path: in_colours(path), answers(near(0.299))),
    "a PNG with alpha that is opaque": ("a.png", picture("RGBA", (51, 51, 51, 255)), answers(near(0.2))),
    "a PNG with alpha that is clear": (
        "a.png",
        picture("RGBA", (51, 51, 51, 0)),
        refuses("a.png", "transparent", "line 2"),
    ),
    "a PNG of grey with alpha that is clear": (
        "a.png",
        picture("LA", (51, 0)),
        refuses("a.png", "transparent", "line 2"),
    ),
    "a JPEG": ("a.jpg", picture("L", 51), answers(near(0.2))),
    "a JPEG of four inks": ("a.jpg", picture("CMYK", (0, 0, 0, 204)), either(near(0.2), "a.jpg", "line 2")),
    "a JPEG that is called PNG": (
        "a.png",
        lambda p: PIL.Image.new("L", (4, 4), 51).save(p, "JPEG"),
        answers(near(0.2)),
    ),
    **{f"a JPEG of orientation {turn}": ("a.jpg", turned(turn), answers(upright(turn))) for turn in WHITE},
    **{f"a PNG of orientation {turn}": ("a.png", turned(turn), answers(upright(turn))) for turn in (1, 6)},
    "a TIFF of 8 bits": ("a.tif", saved(grey()), either(near(0.2), "a.tif", "line 2")),
    "a TIFF of 16 bits": ("a.tif", saved(grey(13107, kind=np.uint16)), either(near(0.2), "a.tif", "line 2")),
    "a TIFF of 16 bits, signed": ("a.tif", saved(grey(-5, kind=np.int16)), refuses("int", "line 2")),
    "a TIFF of 32 bits": ("a.tif", saved(grey(70_000, kind=np.int32)), refuses("int32", "line 2")),
    "a TIFF of floats": (
        "a.tif",
        saved(grey(0, kind=np.float32) + np.float32(0.2)),
        either(near(0.2), "a.tif", "line 2"),
    ),
    "a TIFF of three frames": ("a.tif", frames, refuses("a.tif", "line 2")),
    "a GIF": ("a.gif", picture("L", 51), either(near(0.2), "a.gif", "line 2")),
    "a GIF of three frames": ("a.gif", frames, refuses("a.gif", "line 2")),
    "a PNG of three frames": ("a.png", frames, refuses("a.png", "frame", "line 2")),
    "a bitmap": ("a.bmp", picture("L", 51), either(near(0.2), "a.bmp", "line 2")),
    "a bitmap that is called PNG": (
        "a.png",
        lambda p: PIL.Image.new("L", (4, 4), 51).save(p, "BMP"),
        refuses("a.png", "line 2"),
    ),
    "a drawing in PostScript that is called PNG": ("a.png", eps, refuses("a.png", "line 2")),
    "a drawing in SVG that is called PNG": ("a.png", lambda p: p.write_text("<svg/>"), refuses("a.png", "line 2")),
    "a text that is called PNG": ("a.png", lambda p: p.write_text("a picture"), refuses("a.png", "line 2")),
    "an empty file": ("a.png", lambda p: p.write_bytes(b""), refuses("a.png", "line 2")),
    "a PNG cut short": ("a.png", lambda p: cut(p, 0.6), refuses("a.png", "line 2")),
    "a PNG with a wrong checksum": ("a.png", lambda p: flip(p, 45), refuses("a.png", "line 2")),
    "a PNG of 3.6 gigapixels in a few kB": ("a.png", huge_png, refuses("a.png", "pixels", "line 2")),
    "a PNG of 144 megapixels in 140 kB": ("a.png", large_png, refuses("a.png", "pixels", "line 2")),
    "a PNG of one pixel": ("a.png", saved(grey(size=(1, 1))), either(near(0.2), "a.png", "1x1")),
    "a PNG of one row": ("a.png", saved(grey(size=(1, 7))), either(near(0.2), "1x7")),
    "a PNG of two greys by turns": ("a.png", saved(np.tile([[0, 102]], (8, 4)).astype(np.uint8)), answers(near(0.2))),
    "an NPZ of bytes": ("a.npz", lambda p: np.savez(p, grey()), answers(near(0.2))),
    "an NPZ of floats": ("a.npz", lambda p: np.savez(p, np.full((4, 4), 0.2)), answers(near(0.2))),
    "an NPZ of floats out of bounds": (
        "a.npz",
        lambda p: np.savez(p, np.full((4, 4), 51.0)),
        refuses("51", "[0, 1]", "line 2"),
    ),
    "an NPZ of NaN": ("a.npz", lambda p: np.savez(p, np.full((4, 4), np.nan)), refuses("nan", "line 2")),
    "an NPZ of ints": ("a.npz", lambda p: np.savez(p, grey(kind=np.int64)), refuses("int64", "line 2")),
    "an NPZ of bool": ("a.npz", lambda p: np.savez(p, grey(1, kind=bool)), refuses("bool", "line 2")),
    "an NPZ of complex numbers": ("a.npz", lambda p: np.savez(p, grey(kind=complex)), refuses("complex", "line 2")),
    "an NPZ of texts": ("a.npz", lambda p: np.savez(p, np.array([["a"]])), refuses("line 2")),
    "an NPZ of objects": ("a.npz", lambda p: np.savez(p, np.array([[Bomb()]])), refuses("a.npz", "line 2")),
    "an NPZ of two arrays": ("a.npz", lambda p: np.savez(p, a=grey(), b=grey()), refuses("one array", "line 2")),
    "an NPZ of none": ("a.npz", lambda p: np.savez(p), refuses("one array", "line 2")),
    "an NPZ of an empty array": ("a.npz", lambda p: np.savez(p, grey(size=(0, 4))), refuses("line 2")),
    "an NPZ of four dimensions": (
        "a.npz",
        lambda p: np.savez(p, grey(size=(1, 1, 4, 4))),
        refuses("(1, 1, 4, 4)", "line 2"),
    ),
    "an NPZ of one dimension": ("a.npz", lambda p: np.savez(p, grey(size=(16,))), refuses("(16,)", "line 2")),
    "an NPZ with the channels first": (
        "a.npz",
        lambda p: np.savez(p, grey(size=(3, 9, 8))),
        refuses("(3, 9, 8)", "line 2"),
    ),
    "an NPZ that claims 1e12 bytes": ("a.npz", claiming((10**6, 10**6)), refuses("a.npz", "line 2")),
    "an NPZ that claims 1e300 bytes": ("a.npz", claiming((10**150, 10**150)), refuses("a.npz", "line 2")),
    "an NPZ that claims a negative shape": ("a.npz", claiming((-4, 4)), refuses("a.npz", "line 2")),
    "an NPZ of 4 GB in 4 MB": ("a.npz", zeros_npz, refuses("a.npz", "line 2")),
    "an NPZ that is a text": ("a.npz", lambda p: p.write_text("an array"), refuses("a.npz", "line 2")),
    "a pickle that is called NPZ": ("a.npz", lambda p: p.write_bytes(b"\x80\x04N."), refuses("a.npz", "line 2")),
    "an NPZ cut short": ("a.npz", lambda p: cut(p, 0.5), refuses("a.npz", "line 2")),
}


def in_colours(path: Path) -> None:
    """A picture of red, by a palette."""
    PIL.Image.new("RGB", (4, 4), (255, 0, 0)).convert("P", palette=PIL.Image.Palette.ADAPTIVE).save(path)


def cut(path: Path, share: float) -> None:
    """A file of which a part is missing."""
    pixels = np.random.default_rng(0).integers(0, 255, (64, 64)).astype(np.uint8)
    PIL.Image.fromarray(pixels).save(path) if path.suffix == ".png" else np.savez(path, pixels)
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])


def flip(path: Path, at: int) -> None:
    """A picture with a wrong byte."""
    PIL.Image.fromarray(grey(size=(64, 64))).save(path)
    data = bytearray(path.read_bytes())
    data[at] ^= 0xFF
    path.write_bytes(bytes(data))


class Bomb:
    """What writes a file when it is unpickled."""

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (Path("ran"),))


def nothing_ran() -> bool:
    """Whether no file was made by what a file said."""
    return not Path("ran").exists()


def linked() -> Any:
    """The image of a table whose file is a link to a file outside of its folder."""
    Path("inside").mkdir()
    three()
    os.symlink(Path("a.png").resolve(), "inside/a.png")
    Path("inside/heart.csv").write_text("file\na.png\n")
    return ci.read_table(Only, "inside/heart.csv")["x"]


def pipe(right: str, wrong: str) -> Any:
    """The table, with a file that is a pipe which nobody writes to."""
    os.mkfifo("pipe")
    return cell(right, wrong)


def table() -> ci.Table:
    """Ten rows, two of each of five patients."""
    values = {"age": torch.arange(10).float(), "sex": torch.arange(10) % 2, "x": torch.zeros(10, 1, 4, 4)}
    names = {"patient": [f"p{i // 2}" for i in range(10)], "split": ["train"] * 6 + ["test"] * 4}
    return ci.Table(Heart, values, extra=names)


def leaks(column: list[str], **asked: Any) -> bool:
    """Whether parts that are split by patient share one, but for blanks and case."""
    parts = ci.Table(Heart, {"age": torch.arange(10).float()}, extra={"patient": column}).split("patient", **asked)
    groups = [{name.strip().casefold() for name in part.extra["patient"]} for part in parts]
    return any(a & b for i, a in enumerate(groups) for b in groups[i + 1 :])


PARTS: dict[str, tuple[Callable[[], Any], Right]] = {
    "a column with a typo": (lambda: table()["aeg"], refuses("aeg", "Did you mean 'age'")),
    "a row that is not there": (lambda: table().rows(10), refuses("10")),
    "rows by names": (lambda: table().rows(["p1"]), refuses("p1")),
    "rows by a mask too short": (lambda: table().rows(torch.ones(3, dtype=torch.bool)), refuses("3", "10")),
    "rows by None": (lambda: table().rows(None), refuses()),
    "rows by floats": (lambda: table().rows(torch.tensor([0.5])), refuses()),
    "where, of a column with a typo": (lambda: table().where(spilt="train"), refuses("Did you mean 'split'")),
    "where, of a value with a typo": (lambda: table().where(split="trian"), refuses("Did you mean 'train'")),
    "where, of a number": (lambda: table().where(age=3), refuses("age", "numbers")),
    "split by a column with a typo": (lambda: table().split("patients"), refuses("Did you mean 'patient'")),
    "split by numbers": (lambda: table().split("age"), refuses("age", "numbers")),
    "split in fractions of 0": (lambda: table().split("patient", (1.0, 0.0)), refuses("fractions")),
    "split in fractions below 0": (lambda: table().split("patient", (1.5, -0.5)), refuses("fractions")),
    "split in fractions that are NaN": (lambda: table().split("patient", (float("nan"), 0.5)), refuses("fractions")),
    "split in fractions of another sum": (lambda: table().split("patient", (0.8, 0.1)), refuses("fractions", "sum")),
    "split in no fractions": (lambda: table().split("patient", ()), refuses("fractions")),
    "split in a fraction that is a text": (lambda: table().split("patient", "half"), refuses("fractions")),
    "split in parts that are empty": (lambda: table().split("patient", (0.95, 0.05)), refuses("too few")),
    "split with a seed that is a list": (lambda: table().split("patient", (0.5, 0.5), seed=[1]), refuses("seed")),
    "split by patients, one with a blank": (
        lambda: leaks([f"{' ' * (i % 2)}p{i // 2}" for i in range(10)], fractions=(0.5, 0.5)),
        either(lambda leaking: not leaking, "patient"),
    ),
    "split by patients, some of them empty": (
        lambda: leaks([f"p{i // 2}" * (i < 6) for i in range(10)], fractions=(0.5, 0.5)),
        refuses("patient"),
    ),
    "columns of different length": (
        lambda: ci.Table(Heart, {"age": torch.zeros(2)}, extra={"patient": ["p"]}),
        refuses("age", "2", "patient", "1"),
    ),
    "a variable with a typo": (lambda: ci.Table(Heart, {"aeg": torch.zeros(2)}), refuses("Did you mean 'age'")),
    "lists for tensors": (
        lambda: ci.Table(Heart, {"age": [1.0, 2.0]}).rows(0)["age"],
        either(lambda a: a[0] == 1, "age"),
    ),
    "None for values": (lambda: ci.Table(Heart, None), refuses("values")),
    "a study without a column of patients": (
        lambda: ci.Study.of_table(without_patients()),
        refuses("patient"),
    ),
    "a study of a table without masks": (lambda: ci.Study.of_table(table()), refuses("masks")),
    "a study of splits with a typo": (lambda: ci.Study.of_table(misspelt()), refuses("split", "val")),
}


def without_patients() -> ci.Table:
    """A table of slices of which nobody knows whose they are."""
    masks = {"lv": torch.zeros(10, 4, 4, dtype=torch.bool)}
    return ci.Table(Heart, table().values, masks, {"file": [f"{i}.png" for i in range(10)]})


def misspelt() -> ci.Table:
    """A table whose column of splits has no rows for validation."""
    masks = {"lv": torch.zeros(10, 4, 4, dtype=torch.bool)}
    return ci.Table(Heart, table().values, masks, table().extra)


CASES = [
    *(
        Case("tables: cells", name, partial(pipe if "pipe" in name else cell, *slip), right)
        for name, (slip, right) in CELLS.items()
    ),
    *(Case("tables: patients", name, partial(split, *slip), right) for name, (slip, right) in PATIENTS.items()),
    *(Case("tables: files", name, partial(read, text), right) for name, (text, right) in TABLES.items()),
    *(
        Case("tables: columns", f"columns: {name}", partial(with_columns, c), right)
        for name, (c, right) in COLUMNS.items()
    ),
    *(Case("tables: images and masks", name, run, right) for name, (run, right) in PLACES.items()),
    *(
        Case("images", name, partial(image, file, make), right, kept=nothing_ran)
        for name, (file, make, right) in IMAGES.items()
    ),
    Case("images", "a link to a file outside of the folder", linked, refuses("a.png")),
    *(Case("tables: parts", name, run, right) for name, (run, right) in PARTS.items()),
]
