"""A folder of images plus a CSV becomes a table; whatever is wrong with it is said at once, with the line and the right name."""

import io
import pickle
import struct
import unicodedata
import warnings
import zipfile
from contextlib import suppress

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image as Picture

from causalimg.data.files import read_table
from causalimg.data.images import area_average, masks_of, open_picture
from causalimg.data.limits import Limits
from causalimg.data.normalise import Percentile
from causalimg.data.problems import TableError
from causalimg.graph import Area, Categorical, Continuous, Graph, Image
from causalimg.readers import Reader


class Heart(Graph):
    age = Continuous(unit="year", bounds=(0, 110))
    sex = Categorical(levels=("female", "male"))
    lv_area = Continuous(parents=[age, sex], unit="fraction", bounds=(0, 0.9), measured=Area("lv"))
    x = Image(parents=[sex, lv_area], shape=(1, 4, 4))


HEADER = "file,patient,age,sex,lv_area"
ROWS = ["a.png,p1,53,female,0.25", "b.png,p1,61.5,male,0.5", "c.png,p2,70,male,0"]


class Mean(Reader):
    """Reads the mean grey as the area."""

    def can_read(self, graph):
        return ("lv_area",)

    def read(self, images, graph, names, *, soft=False):
        return {"lv_area": images.mean((1, 2, 3))}


def grey(value, size=(4, 4), dtype=np.uint8):
    return np.full(size, value, dtype)


def one_otherwise(value):
    """Half grey, but for one pixel."""
    pixels = grey(0.5, dtype=np.float32)
    pixels[1, 2] = value
    return pixels


def save(path, pixels):
    path.parent.mkdir(exist_ok=True)
    Picture.fromarray(pixels).save(path)


def write_csv(folder, header=HEADER, rows=ROWS):
    path = folder / "heart.csv"
    path.write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    return path


@pytest.fixture
def folder(tmp_path):
    """Three grey images, a.png to c.png, with the values 0, 51 and 255."""
    for name, value in {"a": 0, "b": 51, "c": 255}.items():
        save(tmp_path / f"{name}.png", grey(value))
    return tmp_path


def wrong(*args, **kwargs):
    """The message of the one error that reading this table raises."""
    with pytest.raises(TableError) as caught:
        read_table(*args, **kwargs)
    return str(caught.value)


def one_row(tmp_path, pixels, graph, normalise=None, name="a.png", fit=None):
    """The image of a table whose only row has these pixels."""
    if name.endswith(".npz"):
        np.savez(tmp_path / name, pixels)
    else:
        save(tmp_path / name, pixels)
    return read_table(graph, write_csv(tmp_path, "file", [name]), normalise=normalise, fit=fit)["x"][0]


def image_graph(*shape, bounds=(0, 1)):
    return Graph.of(x=Image(shape=shape, bounds=bounds))


# reading


def test_a_folder_and_a_csv_become_a_table(folder):
    table = read_table(Heart, write_csv(folder))
    assert len(table) == 3
    assert set(table.keys()) == {"age", "sex", "lv_area", "x"}
    assert torch.equal(table["age"], torch.tensor([53, 61.5, 70]))
    assert torch.equal(table["sex"], torch.tensor([0, 1, 1]))
    assert torch.allclose(table["x"], torch.tensor([0, 0.2, 1]).view(3, 1, 1, 1).expand(3, 1, 4, 4))
    assert table["x"].dtype == torch.float32
    assert table.extra == {"file": ["a.png", "b.png", "c.png"], "patient": ["p1", "p1", "p2"]}
    assert not table.filled
    assert not table.masks


def test_images_lie_in_a_folder_of_their_own_and_columns_have_other_names(folder, tmp_path):
    (tmp_path / "facts").mkdir()
    csv = write_csv(tmp_path / "facts", "scan,patient,Age (y),sex,lv_area")
    table = read_table(Heart, csv, folder, columns={"x": "scan", "age": "Age (y)"})
    assert torch.equal(table["age"], torch.tensor([53, 61.5, 70]))
    assert "Age (y)" not in table.extra


def test_images_of_an_npz_file_come_in_the_order_of_the_rows(folder):
    np.savez(folder / "all.npz", images=np.stack([grey(255), grey(0), grey(51)]))
    table = read_table(Heart, write_csv(folder), folder / "all.npz")
    assert torch.allclose(table["x"].mean((1, 2, 3)), torch.tensor([1, 0, 0.2]))


def test_a_spreadsheets_byte_order_mark_quotes_and_empty_lines_are_no_problem(folder):
    csv = folder / "heart.csv"
    csv.write_text("﻿" + HEADER + "\n\n" + '"a.png","p\n1",53,female,0.25\n\nb.png,p1,-1,male,0.5\n', encoding="utf-8")
    assert "(line 6)" in wrong(Heart, csv)  # the line in an editor: after an empty one and a cell of two lines


@pytest.mark.parametrize(
    ("pixels", "expected"),
    [(grey(51), 0.2), (grey(13107, dtype=np.uint16), 0.2), (grey(0.2, dtype=np.float32), 0.2)],
    ids=["uint8", "uint16", "float"],
)
def test_integers_fill_the_bounds_and_floats_stay(tmp_path, pixels, expected):
    assert one_row(tmp_path, pixels, image_graph(1, 4, 4), name="a.npz").mean() == pytest.approx(expected)


def test_16_bit_png(tmp_path):
    assert one_row(tmp_path, grey(13107, dtype=np.uint16), image_graph(1, 4, 4)).mean() == pytest.approx(0.2)


@pytest.mark.parametrize("made", [np.ndarray.tolist, torch.from_numpy], ids=["lists", "a tensor"])
def test_what_normalises_may_return_whatever_numpy_takes(tmp_path, made):
    def half(pixels):
        return made(pixels / 510)

    assert one_row(tmp_path, grey(255), image_graph(1, 4, 4), half, name="a.npz").mean() == pytest.approx(0.5)


def test_grey_levels_are_scaled_to_the_declared_bounds(tmp_path):
    assert one_row(tmp_path, grey(51), image_graph(1, 4, 4, bounds=(-1, 1))).mean() == pytest.approx(-0.6)


def test_colour_and_grey_follow_the_declared_channels(tmp_path):
    red = np.zeros((4, 4, 3), np.uint8)
    red[..., 0] = 255
    assert one_row(tmp_path, red, image_graph(3, 4, 4)).mean((1, 2)).tolist() == [1, 0, 0]
    assert one_row(tmp_path, red, image_graph(1, 4, 4)).mean() == pytest.approx(0.299)
    assert one_row(tmp_path, grey(51), image_graph(3, 4, 4)).mean((1, 2)).tolist() == pytest.approx([0.2] * 3)


def test_a_palette_image_is_its_colours(tmp_path):
    picture = Picture.fromarray(grey(1)).convert("P")
    picture.putpalette([0, 0, 0, 255, 255, 255])
    picture.save(tmp_path / "p.png")
    csv = write_csv(tmp_path, "file", ["p.png"])
    assert read_table(image_graph(1, 4, 4), csv)["x"].min() == 1


def test_grey_with_transparency_is_grey(tmp_path):
    Picture.fromarray(grey(51)).convert("LA").save(tmp_path / "t.png")
    assert read_table(image_graph(1, 4, 4), write_csv(tmp_path, "file", ["t.png"]))["x"].mean() == pytest.approx(0.2)


def test_a_jpeg_is_read(tmp_path):
    assert one_row(tmp_path, grey(102), image_graph(1, 4, 4), name="a.jpg").mean() == pytest.approx(0.4, abs=0.01)


# resizing and normalising


def test_resizing_averages_what_a_pixel_covers(tmp_path):
    pixels = np.arange(16, dtype=np.uint8).reshape(4, 4) * 15
    small = one_row(tmp_path, pixels, image_graph(1, 2, 2))
    expected = pixels.reshape(2, 2, 2, 2).mean((1, 3)) / 255
    assert np.allclose(small[0], expected)


@given(old=st.tuples(*[st.integers(1, 40)] * 2), new=st.tuples(*[st.integers(1, 40)] * 2))
def test_resizing_by_any_ratio_keeps_mean_and_range(old, new):
    image = torch.rand(1, *old, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    resized = area_average(image, new)
    assert resized.shape == (1, *new)
    assert resized.mean().item() == pytest.approx(image.mean().item())
    assert image.min() - 1e-9 <= resized.min() <= resized.max() <= image.max() + 1e-9


def test_a_resized_image_never_leaves_its_bounds_by_rounding(tmp_path):
    assert one_row(tmp_path, grey(255, (37, 23)), image_graph(3, 7, 5), fit="stretch").max() == 1


def test_percentiles_become_0_and_1_and_the_rest_is_clipped(tmp_path):
    pixels = np.arange(101, dtype=np.int16).reshape(1, 101) - 50
    image = one_row(tmp_path, pixels, image_graph(1, 1, 101), Percentile(10, 90), name="a.npz")[0, 0]
    assert (image[:11] == 0).all()
    assert (image[90:] == 1).all()
    assert image[50] == pytest.approx(0.5)


def test_percentile_says_what_is_wrong():
    with pytest.raises(ValueError, match="low=99 is not below high=1"):
        Percentile(99, 1)
    with pytest.raises(ValueError, match=r"Percentile\.high"):
        Percentile(1, 199)
    assert repr(Percentile(1, 99)) == "Percentile(low=1.0, high=99.0)"


def test_an_image_without_contrast_is_a_problem(folder):
    assert "no contrast: its percentiles 1 and 99 are 51 and 51 (line 3)" in wrong(
        Heart, write_csv(folder), normalise=Percentile()
    )


# masks and filling


def lungs():
    """Two structures of 8 of 64 pixels: label 1 in the upper left, 2 in the lower right."""
    labels = np.zeros((3, 8, 8), np.uint8)
    labels[:, :2, :4], labels[:, 6:, 4:] = 1, 2
    return labels


def test_masks_of_an_npz_file_by_structure_on_the_images_grid(folder):
    np.savez(folder / "masks.npz", labels=lungs())
    table = read_table(Heart, write_csv(folder), masks=folder / "masks.npz", structures=("right", "left"))
    assert table.masks["right"].shape == (3, 4, 4)
    assert table.masks["right"][0].nonzero().tolist() == [[0, 0], [0, 1]]
    assert table.masks["left"][2].nonzero().tolist() == [[3, 2], [3, 3]]
    assert table.masks["left"].dtype == torch.bool


@pytest.mark.parametrize("mode", ["L", "P"])
def test_masks_in_a_folder_are_pngs_named_like_the_images(folder, mode):
    for i, name in enumerate("abc"):
        (folder / "masks").mkdir(exist_ok=True)
        picture = Picture.fromarray(lungs()[i], "L")
        if mode == "P":
            picture.putpalette([0, 0, 0, 255, 0, 0, 0, 255, 0])
        picture.save(folder / "masks" / f"{name}.png")
    rows = [row.replace(".png", ".jpeg") for row in ROWS]
    for name in "abc":
        (folder / f"{name}.png").rename(folder / f"{name}.jpeg")
    table = read_table(Heart, write_csv(folder, rows=rows), masks=folder / "masks", structures=("right", "left"))
    assert table.masks["left"].sum((1, 2)).tolist() == [2, 2, 2]


def test_halving_the_resolution_keeps_the_areas_of_masks():
    """Half-covered pixels must not all be lost, nor all be taken."""
    rng = np.random.default_rng(0)
    rows, columns = np.mgrid[:64, :64]
    before = after = 0
    for radius, row, column in rng.uniform((6, 24, 24), (16, 40, 40), (50, 3)):
        disc = ((rows - row) ** 2 + (columns - column) ** 2 < radius**2).astype(np.uint8)
        before += disc.sum()
        after += 4 * masks_of(disc, ("lv",), (32, 32)).sum().item()
    assert after / before == pytest.approx(1, abs=0.01)


def test_two_structures_never_share_a_half_covered_pixel():
    labels = np.array([[1, 2], [1, 2]], np.uint8)
    assert masks_of(labels, ("right", "left"), (1, 1)).sum() == 1


def test_a_measured_column_that_lacks_is_measured_on_the_masks_first(folder):
    np.savez(folder / "masks.npz", labels=(lungs() == 1).astype(np.uint8))
    csv = write_csv(folder)
    options = {"masks": folder / "masks.npz", "structures": ("lv",), "readers": [Mean()]}
    assert read_table(Heart, csv, **options)["lv_area"].tolist() == [0.25, 0.5, 0]
    filled = read_table(Heart, csv, **options, columns={"lv_area": None})
    assert filled["lv_area"].tolist() == [2 / 16] * 3
    assert filled.filled == {"lv_area": "masks"}


def test_a_measured_column_that_lacks_is_read_by_a_reader(folder):
    save(folder / "c.png", grey(204))
    table = read_table(Heart, write_csv(folder), columns={"lv_area": None}, readers=[Mean()])
    assert torch.allclose(table["lv_area"], torch.tensor([0, 0.2, 0.8]))
    assert table.filled == {"lv_area": "Mean"}
    assert list(table) == list(Heart())
    assert "lv_area (from Mean)" in repr(table)


def test_what_a_reader_reads_out_of_bounds_is_a_problem(folder):
    message = wrong(Heart, write_csv(folder), columns={"lv_area": None}, readers=[Mean()])
    assert "lv_area: 1 by Mean is not a number in [0, 0.9] fraction (line 4)" in message


# problems


def test_everything_wrong_is_said_at_once_with_lines_and_nearest_names(folder):
    (folder / "b.png").write_bytes(b"no image")
    save(folder / "scans" / "Deep.jpeg", grey(0))
    rows = [
        "a.pgn,p1,53,Female,0.25",
        "b.png,p1,abc,mail,0.5",
        "c.png,p2,,male,0.95",
        "deep.png,p2,200,Female,nan",
    ]
    with pytest.raises(TableError) as caught:
        read_table(Heart, write_csv(folder, rows=rows), columns={"age": "age"})
    said = str(caught.value)
    for line in (
        "age: 'abc' is not a number (line 3)",
        "age: the cell is empty (line 4)",
        "age: 200 is not a number in [0, 110] year (line 5)",
        "sex: unknown level of sex 'Female'. Did you mean 'female'? Known: female, male. (lines 2, 5)",
        "sex: unknown level of sex 'mail'. Did you mean 'male'? Known: female, male. (line 3)",
        "lv_area: 0.95 is not a number in [0, 0.9] fraction (line 4)",
        "lv_area: nan is no finite number of 32 bits (line 5)",
        f"images: no file 'a.pgn' in {folder}. Did you mean 'a.png'? (line 2)",
        "images: can't read 'b.png': it is no PNG, JPEG or TIFF, or broken (line 3)",
        f"images: no file 'deep.png' in {folder}. Did you mean 'scans/Deep.jpeg'? (line 5)",
    ):
        assert line in said
    assert said.startswith(f"{folder / 'heart.csv'}: 10 problems\n")
    assert len(caught.value.problems) == 10
    assert {problem.where for problem in caught.value.problems} == {"age", "sex", "lv_area", "images"}


def test_a_placeholder_for_a_bad_cell_is_not_judged_again(folder):
    graph = Graph.of(age=Continuous(bounds=(10, 110)), x=Image(shape=(1, 4, 4)))
    said = wrong(graph, write_csv(folder, rows=["a.png,p1,abc,male,0"]))
    assert said.splitlines()[1:] == ["  age: 'abc' is not a number (line 2)"]


def test_long_lists_are_abbreviated_kind_by_kind(folder):
    rows = [f"z{i}.png,p,{'x' * i},female,0" for i in range(1, 31)] + ["a.png,p,,female,0"] * 9
    with pytest.raises(TableError) as caught:
        read_table(Heart, write_csv(folder, rows=rows))
    lines = str(caught.value).splitlines()
    assert len(lines) == 1 + 6 + 6 + 1 + 1
    assert "  images: ... and 25 more like these" in lines
    assert "  age: the cell is empty (lines 32, 33, 34, 35, 36 and 4 more)" in lines
    assert (
        "  images: 'a.png' is the file of 9 rows, expected one row for each file (lines 32, 33, 34, 35, 36 and 4 more)"
        in lines
    )
    assert len(caught.value.problems) == 62


def test_an_absent_column_that_nothing_fills_names_the_nearest(folder):
    said = wrong(Heart, write_csv(folder, "file,patient,Age,sex,LV_area"))
    assert "age: unknown column 'age'. Did you mean 'Age'?" in said
    assert "Say columns={'age': '...'} if it is called otherwise.\n" in said
    assert "lv_area: unknown column 'lv_area'. Did you mean 'LV_area'?" in said
    assert "give masks or a reader that measures it." in said


def test_a_mistyped_column_is_a_problem_even_where_a_reader_could_fill(folder):
    said = wrong(Heart, write_csv(folder), columns={"lv_area": "lv_aera", "x": "fille"}, readers=[Mean()])
    assert "lv_area: unknown column 'lv_aera'. Did you mean 'lv_area'?" in said
    assert "x: unknown column 'fille'. Did you mean 'file'?" in said


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"columns": {"aeg": "age"}}, "unknown variable 'aeg'. Did you mean 'age'?"),
        ({"masks": "masks.npz"}, r"structures=\('...', ...\), got masks='masks.npz'"),
        ({"masks": "masks.npz", "structures": "lv"}, "got masks='masks.npz' and structures='lv'"),
        ({"structures": ("lv",)}, "got masks=None"),
        ({"columns": ["age"]}, "columns: expected names of columns by variable, got list"),
        ({"columns": {"age": 3}}, "age: unknown column '3'"),
        ({"normalise": "percentile"}, "normalise: expected a function of an image's pixels, got str"),
        ({"normalise": lambda pixels: pixels[0] / 255}, r"pixels of shape \(4,\), expected \(height, width\)"),
    ],
)
def test_arguments_that_cannot_be_right_are_refused(folder, options, match):
    with pytest.raises((ValueError, TypeError), match=match):
        read_table(Heart, write_csv(folder), **options)


def test_a_graph_with_two_images_is_refused(folder):
    graph = Graph.of(x=Image(shape=(1, 4, 4)), y=Image(shape=(1, 4, 4)))
    with pytest.raises(ValueError, match="reads one image a row, Graph has 2"):
        read_table(graph, write_csv(folder))


def test_npz_files_must_have_the_array_and_as_many_items_as_rows(folder):
    csv = write_csv(folder)
    np.savez(folder / "two.npz", images=np.zeros((2, 4, 4), np.uint8))
    assert "images: two.npz has 2 images, but the table has 3 rows" in wrong(Heart, csv, folder / "two.npz")
    np.savez(folder / "named.npz", image=np.zeros((3, 4, 4), np.uint8))
    assert "named.npz: missing array 'images'. Was 'image' meant to be it? Given: image." in wrong(
        Heart, csv, folder / "named.npz"
    )
    assert "images: no such folder or NPZ file: " in wrong(Heart, csv, folder / "none.npz")
    said = wrong(Heart, csv, masks=folder / "two.npz", structures=("lv",))
    assert "masks: two.npz: missing array 'labels'. Given: images." in said


def test_a_folder_needs_a_column_of_file_names(folder):
    said = wrong(Heart, write_csv(folder, "scan,patient,age,sex,lv_area"))
    assert "images: no column 'file' names the file of each row" in said


@pytest.mark.parametrize(
    ("pixels", "what"),
    [
        (grey(2.0, dtype=np.float32), "pixels from 2 to 2, expected a number in [0, 1]"),
        (one_otherwise(1.5), "pixels from 0.5 to 1.5, expected a number in [0, 1]"),
        (one_otherwise(-0.5), "pixels from -0.5 to 0.5, expected a number in [0, 1]"),
        (one_otherwise(float("inf")), "pixels from 0.5 to inf, expected a number in [0, 1]"),
        (one_otherwise(float("nan")), "pixels from nan to nan"),
        (grey(float("nan"), dtype=np.float32), "pixels from nan to nan"),
        (grey(3, dtype=np.int16), "pixels are int16, expected uint8, uint16 or floats; or say normalise=Percentile()"),
        (grey(3, (4, 4, 2)), "pixels of shape (4, 4, 2), expected (height, width) or (height, width, 1)"),
    ],
    ids=["out of bounds", "one above", "one below", "one infinite", "one nan", "nan", "int16", "two channels"],
)
def test_pixels_that_do_not_fit_are_a_problem(tmp_path, pixels, what):
    np.savez(tmp_path / "a.npz", pixels)
    assert f"images: {what}" in wrong(image_graph(1, 4, 4), write_csv(tmp_path, "file", ["a.npz"]))


def test_an_npz_of_several_arrays_is_no_image(tmp_path):
    np.savez(tmp_path / "a.npz", one=grey(1), two=grey(2))
    said = wrong(image_graph(1, 4, 4), write_csv(tmp_path, "file", ["a.npz"]))
    assert "can't read 'a.npz': expected one array, got one, two" in said


@pytest.mark.parametrize(
    ("labels", "what"),
    [
        (grey(255), "labels 255, expected 0 = background, 1 = lv (line 2)"),
        (
            np.zeros((4, 4, 3), np.uint8),
            "labels of shape (4, 4, 3) and type uint8, expected (height, width) and integers",
        ),
    ],
    ids=["unknown label", "colour"],
)
def test_labels_that_do_not_fit_are_a_problem(folder, labels, what):
    save(folder / "masks" / "a.png", labels)
    said = wrong(Heart, write_csv(folder, rows=ROWS[:1]), masks=folder / "masks", structures=("lv",))
    assert f"masks: {what}" in said


def test_a_column_that_counts_pixels_of_another_size_is_a_problem(folder):
    class Pixels(Graph):
        lv_area = Continuous(unit="px", measured=Area("lv"))
        x = Image(parents=[lv_area], shape=(1, 2, 2))

    csv = write_csv(folder)
    said = wrong(Pixels, csv)
    assert "images: lv_area counts pixels, but the image is resized from 4x4 to 2x2: declare unit='fraction'" in said
    assert "(lines 2, 3, 4)" in said
    np.savez(folder / "masks.npz", labels=np.ones((3, 4, 4), np.uint8))
    table = read_table(Pixels, csv, columns={"lv_area": None}, masks=folder / "masks.npz", structures=("lv",))
    assert table["lv_area"].tolist() == [4, 4, 4]


@pytest.mark.parametrize(
    ("text", "what"),
    [
        (b"", "the file: no row below the header"),
        (b"file,age\n", "the file: no row below the header"),
        (b"file;age;sex\na.png;3;male\n", "the header: separate the columns by commas; got 'file;age;sex'"),
        (b"file,age,age\na.png,3,4\n", "the header: two columns are called 'age'"),
        (b"file,age,sex,lv_area\na.png,3\n", "the row: 2 cells, expected 4 as in the header (line 2)"),
        ("file,age,sex\na.png,3,Mädchen\n".encode("latin-1"), "the file: no CSV file in UTF-8"),
        ("file,age\na.png,3\n".encode("utf-16-le"), "the file: no CSV file in UTF-8: a character NUL"),
        (b"file,age\na.png,\0\n", "a character NUL, in what starts on line 2"),
        (b'file,age\na.png,3\nb.png,"4\nc.png,5\n', "unexpected end of data, in what starts on line 3"),
        (b'file,age\na.png,"3"4\n', "',' expected after '\"', in what starts on line 2"),
        (b"file,age\na.png," + b"3" * 200_000, "field larger than field limit (131072), in what starts on line 2"),
        (b"\n\nfile,age\na.png,3\n", "the header: the first line names no columns"),
    ],
    ids=[
        "empty",
        "header_only",
        "semicolons",
        "duplicate",
        "short_row",
        "latin-1",
        "UTF-16",
        "NUL",
        "open_quote",
        "quote_and_more",
        "huge",
        "blank_first",
    ],
)
def test_a_file_that_is_no_table_is_a_problem(folder, text, what):
    (folder / "heart.csv").write_bytes(text)
    said = wrong(Heart, folder / "heart.csv")
    assert what in said
    assert said.startswith(f"{folder / 'heart.csv'}: ")


def test_a_folder_is_no_table(tmp_path):
    assert "the file: no CSV file in UTF-8: it is a folder" in wrong(Heart, tmp_path)


@pytest.mark.parametrize("end", ["\r\n", "\r"])
def test_lines_end_as_on_other_systems(folder, end):
    write_csv(folder).write_text(end.join([HEADER, *ROWS, ""]), newline="")
    assert read_table(Heart, folder / "heart.csv")["age"].tolist() == [53, 61.5, 70]


def test_a_table_file_that_is_missing_is_not_found(tmp_path):
    with pytest.raises(FileNotFoundError, match="none.csv"):
        read_table(Heart, tmp_path / "none.csv")


# numbers, names and spaces


FACTS = Graph.of(
    größe=Continuous(unit="cm"), sex=Categorical(levels=("weiblich", "männlich")), x=Image(shape=(1, 4, 4))
)
NFD = {name: unicodedata.normalize("NFD", name) for name in ("größe", "männlich")}


@pytest.mark.parametrize("cell", ["5_2", "1,5", "0x1A", "٥", "５", "−5", "1.5 cm"])
def test_what_only_python_or_another_script_takes_for_a_number_is_none(folder, cell):
    said = wrong(FACTS, write_csv(folder, "file,größe,sex", [f'a.png,"{cell}",weiblich']))
    assert said.splitlines()[1:] == [f"  größe: {cell!r} is not a number (line 2)"]


@pytest.mark.parametrize("cell", ["1e400", "1e39", "nan", "-inf"])
def test_a_number_that_32_bits_do_not_hold_is_none(folder, cell):
    said = wrong(FACTS, write_csv(folder, "file,größe,sex", [f"a.png,{cell},weiblich"]))
    assert said.splitlines()[1:] == [f"  größe: {cell} is no finite number of 32 bits (line 2)"]


@pytest.mark.parametrize(
    ("header", "row"),
    [
        (f"file,{NFD['größe']},sex", f"a.png,5,{NFD['männlich']}"),
        ("file , größe,\u00a0sex\u200b", " a.png,\u00a05 ,männlich "),
    ],
    ids=["NFD", "spaces"],
)
def test_what_does_not_show_makes_no_other_column_level_number_or_file(folder, header, row):
    table = read_table(FACTS, write_csv(folder, header, [row]), columns={"größe": f" {NFD['größe']}"})
    assert table["größe"].tolist() == [5]
    assert table["sex"].tolist() == [1]


def test_columns_that_differ_by_what_does_not_show_are_one_twice(folder):
    assert "the header: two columns are called 'age'" in wrong(Heart, write_csv(folder, "file,age,age ", ["a.png,5,6"]))


def test_a_file_name_is_found_however_its_letters_are_composed(tmp_path):
    save(tmp_path / unicodedata.normalize("NFC", "é.png"), grey(51))
    save(tmp_path / unicodedata.normalize("NFD", "ä.png"), grey(51))
    names = [unicodedata.normalize("NFD", "é.png"), unicodedata.normalize("NFC", "ä.png")]
    assert len(read_table(image_graph(1, 4, 4), write_csv(tmp_path, "file", names))) == 2


def test_rows_know_their_lines_and_take_them_along(folder):
    table = read_table(Heart, write_csv(folder, rows=[ROWS[0], "", *ROWS[1:]]))
    assert list(table.lines) == [2, 4, 5]
    assert list(table.rows([2, 0]).lines) == [5, 2]


# files that several rows name, and paths


@pytest.mark.parametrize("again", ["a.png", "./a.png", " a.png"])
def test_a_file_of_two_rows_is_a_problem(folder, again):
    said = wrong(Heart, write_csv(folder, rows=[*ROWS, f"{again},p9,53,female,0.25"]))
    assert said.splitlines()[1:] == [
        "  images: 'a.png' is the file of 2 rows, expected one row for each file (lines 2, 5)"
    ]


def test_two_images_that_would_share_a_mask_are_a_problem(folder):
    save(folder / "a.jpg", grey(0))
    save(folder / "masks" / "a.png", grey(1))
    rows = ["a.png,p1,53,female,0.25", "a.jpg,p2,53,female,0.25"]
    said = wrong(Heart, write_csv(folder, rows=rows), masks=folder / "masks", structures=("lv",))
    assert "masks: 'a.png' is the file of 2 rows, expected one row for each file (lines 2, 3)" in said


@pytest.fixture
def inner(folder):
    """A folder within the folder, with one image and a link to another outside."""
    save(folder / "inner" / "i.png", grey(51))
    (folder / "inner" / "link.png").symlink_to(folder / "a.png")
    return folder / "inner"


@pytest.mark.parametrize("name", ["../a.png", "{folder}/a.png", "link.png"])
def test_a_file_outside_of_the_folder_is_read_only_if_allowed(folder, inner, name):
    csv = write_csv(folder, "file", [name.format(folder=folder)])
    said = wrong(image_graph(1, 4, 4), csv, inner)
    assert f"is outside of {inner}: limits=Limits(outside=True) reads it nevertheless (line 2)" in said
    assert len(read_table(image_graph(1, 4, 4), csv, inner, limits=Limits(outside=True))) == 1


def test_a_path_that_comes_back_into_the_folder_is_within_it(folder, inner):
    assert len(read_table(image_graph(1, 4, 4), write_csv(folder, "file", ["../inner/i.png"]), inner)) == 1


def test_a_file_that_the_user_names_may_be_a_link(inner):
    assert open_picture(inner / "link.png").shape == (4, 4)


@pytest.mark.parametrize(
    ("name", "what"),
    [
        ('" "', "the cell of the file is empty (line 2)"),
        ("inner", "no file 'inner' in "),
        ("a" * 5000, "File name too long"),
    ],
    ids=["empty", "folder", "long"],
)
def test_a_name_that_is_no_file_is_a_problem(folder, inner, name, what):
    said = wrong(image_graph(1, 4, 4), write_csv(folder, "file", [name]))
    assert what in said
    assert len(said) < 1000


# pictures of every kind


STEPS = np.arange(16, dtype=np.uint8).reshape(4, 4) * 10


def read_picture_of(tmp_path, name, normalise=None):
    return read_table(image_graph(1, 4, 4), write_csv(tmp_path, "file", [name]), normalise=normalise)["x"][0, 0]


@pytest.mark.parametrize("name", ["a.png", "a.tif"])
def test_an_image_lies_as_its_orientation_says(tmp_path, name):
    exif = Picture.Exif()
    exif[0x0112] = 6  # to be turned clockwise by a quarter
    Picture.fromarray(STEPS).save(tmp_path / name, exif=exif)
    assert np.allclose(read_picture_of(tmp_path, name) * 255, np.rot90(STEPS, -1))


def tiff(pixels, kind=1, white=1):
    """A TIFF of one strip; `kind`: SampleFormat, which may be left out, `white`: PhotometricInterpretation."""
    data, bits = pixels.tobytes(), pixels.dtype.itemsize * 8
    height, width = pixels.shape
    numbers = {
        256: width,
        257: height,
        258: bits,
        259: 1,
        262: white,
        273: 8,
        277: 1,
        278: height,
        279: len(data),
        339: kind,
    }
    numbers = {tag: number for tag, number in numbers.items() if number is not None}
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, number) for tag, number in numbers.items())
    head = b"II*\0" + struct.pack("<I", 8 + len(data))
    return head + data + struct.pack("<H", len(numbers)) + entries + bytes(4)


def test_16_bit_and_float_tiffs_are_read(tmp_path):
    for name, pixels in {"u.tif": STEPS.astype(np.uint16) * 257, "f.tif": STEPS.astype(np.float32) / 255}.items():
        Picture.fromarray(pixels).save(tmp_path / name)
        assert np.allclose(read_picture_of(tmp_path, name), STEPS / 255, atol=1e-6)


@pytest.mark.parametrize(
    ("pixels", "kind"),
    [
        (STEPS.astype(np.int8) - 50, 2),
        (STEPS.astype(np.int16) * 100 - 500, 2),
        (STEPS.astype(np.int32) * 10**7 - 5, 2),
        (STEPS.astype(np.uint32) * 2**24, 1),
        (STEPS.astype(np.uint32) * 2**24, None),
    ],
    ids=["int8", "int16", "int32", "uint32", "uint32 by default"],
)
def test_integers_of_a_tiff_without_a_greatest_are_read_if_normalised(tmp_path, pixels, kind):
    (tmp_path / "a.tif").write_bytes(tiff(pixels, kind))
    said = wrong(image_graph(1, 4, 4), write_csv(tmp_path, "file", ["a.tif"]))
    assert "expected uint8, uint16 or floats; or say normalise=Percentile() (line 2)" in said
    numbers = pixels.astype(np.float64)
    expected = (numbers - numbers.min()) / np.ptp(numbers)
    assert np.allclose(read_picture_of(tmp_path, "a.tif", Percentile(0, 100)), expected)


def test_a_black_and_white_png_is_0_and_1(tmp_path):
    Picture.fromarray(STEPS > 50).save(tmp_path / "a.png")
    assert torch.equal(read_picture_of(tmp_path, "a.png"), torch.from_numpy(STEPS > 50).float())


def test_an_image_of_one_pixel_fills_the_grid(tmp_path):
    assert one_row(tmp_path, grey(51, (1, 1)), image_graph(1, 4, 4)).flatten().tolist() == pytest.approx([0.2] * 16)


def png(pixels):
    file = io.BytesIO()
    Picture.fromarray(pixels).save(file, format="PNG")
    return file.getvalue()


def frames(path, kind):
    Picture.fromarray(STEPS).save(path, format=kind, save_all=True, append_images=[Picture.fromarray(STEPS * 2)])


def palette(path):
    picture = Picture.fromarray(STEPS // 100)
    picture.putpalette([0, 0, 0, 255, 0, 0])
    picture.save(path, transparency=0)


ENCAPSULATED = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 4 4\n%%EndComments\nshowpage\n%%EOF\n"
OTHER = "it is no PNG, JPEG or TIFF, or broken"

PICTURES = {
    "an animated PNG": (lambda path: frames(path, "PNG"), "it has several frames"),
    "a TIFF of two pages": (lambda path: frames(path, "TIFF"), "it has several frames"),
    "an animated GIF": (lambda path: frames(path, "GIF"), OTHER),
    "a program": (lambda path: path.write_bytes(ENCAPSULATED), OTHER),
    "nothing": (lambda path: path.write_bytes(b""), OTHER),
    "half an image": (lambda path: path.write_bytes(png(STEPS)[:-30]), "image file is truncated"),
    "half of what is said of it": (lambda path: path.write_bytes(tiff(STEPS)[:40]), "Corrupt EXIF data"),
    "colours for print": (lambda path: Picture.new("CMYK", (4, 4)).save(path, format="JPEG"), "its colours are CMYK"),
    "0 as white": (
        lambda path: path.write_bytes(tiff(STEPS.astype(np.uint16), white=0)),
        "it is a TIFF in which 0 is white",
    ),
    "half seen through": (
        lambda path: Picture.fromarray(np.dstack([STEPS] * 4)).save(path),
        "parts of it are transparent",
    ),
    "a grey seen through": (
        lambda path: Picture.fromarray(STEPS).save(path, transparency=10),
        "parts of it are transp",
    ),
    "a colour seen through": (palette, "parts of it are transparent"),
}


@pytest.mark.parametrize(("make", "what"), PICTURES.values(), ids=PICTURES)
def test_what_would_be_another_image_is_refused_with_file_and_line(tmp_path, make, what):
    make(tmp_path / "a.png")
    said = wrong(image_graph(1, 4, 4), write_csv(tmp_path, "file", ["a.png"]))
    assert f"images: can't read 'a.png': {what}" in said
    assert said.endswith("(line 2)")


def test_the_background_of_a_palette_may_be_transparent_in_a_mask(folder):
    (folder / "masks").mkdir()
    palette(folder / "masks" / "a.png")
    table = read_table(Heart, write_csv(folder, rows=ROWS[:1]), masks=folder / "masks", structures=("lv",))
    assert torch.equal(table.masks["lv"][0], torch.from_numpy(STEPS >= 100))


def test_many_unknown_labels_are_not_all_listed(folder):
    labels = np.arange(16, dtype=np.uint8).reshape(4, 4)
    with pytest.raises(ValueError, match=r"^labels 2, 3, 4, 5, 6, 7, 8, 9, \.\.\., expected 0 = background, 1 = lv$"):
        masks_of(labels, ("lv",), (4, 4))


# limits


def claimed(path, member, shape, kind="<f4"):
    """An NPZ file whose array claims a shape, and has nothing."""
    header = f"{{'descr': {kind!r}, 'fortran_order': False, 'shape': {shape}}}\n".encode()
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(member, b"\x93NUMPY\1\0" + struct.pack("<H", len(header)) + header)


def pickled(path):
    path.write_bytes(pickle.dumps(STEPS))


def encrypted(path):
    np.savez(path, STEPS)
    content = bytearray(path.read_bytes())
    content[6] |= 1
    content[content.find(b"PK\1\2") + 8] |= 1
    path.write_bytes(content)


ARRAYS = {
    "a terabyte of rows": (
        lambda p: claimed(p, "x.npy", (10**6, 10**6)),
        "1000000000000 pixels, expected at most 33554432",
    ),
    "a line": (lambda p: claimed(p, "x.npy", (1, 10**6)), "1000000 pixels along a side, expected at most 32768"),
    "a terabyte of channels": (
        lambda p: claimed(p, "x.npy", (4, 4, 10**11)),
        "6400000000000 bytes, expected at most 42949",
    ),
    "no such size": (lambda p: claimed(p, "x.npy", (2**62, 2**62)), "pixels, expected at most 33554432"),
    "a negative size": (lambda p: claimed(p, "x.npy", (-1, 4)), "negative dimensions"),
    "less than it claims": (lambda p: claimed(p, "x.npy", (4, 4)), "EOF: reading array data"),
    "a number": (lambda p: claimed(p, "x.npy", ()), "an array of shape (), expected (height, width, ...)"),
    "objects": (
        lambda p: np.savez(p, np.array([[{}]], dtype=object)),
        "an array of Python objects, which are not read",
    ),
    "a pickle": (pickled, "File is not a zip file"),
    "an array alone": (lambda p: p.write_bytes(b"\x93NUMPY\1\0"), "File is not a zip file"),
    "text": (lambda p: claimed(p, "x.txt", (4, 4)), "expected one array, got none"),
    "a secret": (encrypted, "is encrypted"),
}


@pytest.mark.parametrize(("make", "what"), ARRAYS.values(), ids=ARRAYS)
def test_an_npz_file_that_claims_what_it_should_not_is_a_problem(tmp_path, make, what):
    make(tmp_path / "a.npz")
    said = wrong(image_graph(1, 4, 4), write_csv(tmp_path, "file", ["a.npz"]))
    assert f"{what}" in said
    assert said.count("\n") == 1
    assert "'a.npz'" in said


def test_an_npz_file_of_all_images_is_checked_before_it_is_unpacked(tmp_path):
    csv = write_csv(tmp_path, "file", ["a"])
    claimed(tmp_path / "all.npz", "images.npy", (10**6, 1000, 1000), "|u1")
    assert "images: all.npz: 1000000000000 bytes, expected at most" in wrong(
        image_graph(1, 4, 4), csv, tmp_path / "all.npz"
    )
    pickled(tmp_path / "all.npz")
    assert "images: all.npz: File is not a zip file" in wrong(image_graph(1, 4, 4), csv, tmp_path / "all.npz")


@pytest.mark.parametrize(
    ("limits", "what"),
    [
        (Limits(pixels=31), "can't read 'a.png': 32 pixels, expected at most 31: limits=Limits(pixels=32) reads it"),
        (
            Limits(side=7),
            "can't read 'a.png': 8 pixels along a side, expected at most 7: limits=Limits(side=8) reads it",
        ),
        (Limits(bytes=63), "images: the images take 64 bytes, expected at most 63: limits=Limits(bytes=64) reads it"),
        (
            Limits(csv=10),
            "the file: no CSV file in UTF-8: 11 bytes, expected at most 10: limits=Limits(csv=11) reads it",
        ),
    ],
    ids=["pixels", "side", "bytes", "csv"],
)
def test_what_is_beyond_a_limit_is_not_read_and_the_error_says_how_to_raise_it(tmp_path, limits, what):
    save(tmp_path / "a.png", grey(51, (8, 4)))
    csv = write_csv(tmp_path, "file", ["a.png"])
    assert what in wrong(image_graph(1, 4, 4), csv, limits=limits, fit="stretch")
    raised = {name: getattr(limits, name) + 1 for name in limits.model_fields_set}
    assert len(read_table(image_graph(1, 4, 4), csv, limits=Limits(**raised), fit="stretch")) == 1


def test_an_image_that_is_declared_beyond_the_limit_is_not_made(tmp_path):
    said = wrong(image_graph(1, 10**5, 10**5), write_csv(tmp_path, "file", ["a.png"]))
    assert "images: x is declared with 10000000000 pixels, expected at most 33554432" in said


def test_beyond_pillows_own_limit_both_are_named(tmp_path, monkeypatch):
    save(tmp_path / "a.png", grey(51))
    csv = write_csv(tmp_path, "file", ["a.png"])
    for most in (7, 15):  # an error of Pillow's, or a warning
        monkeypatch.setattr("PIL.Image.MAX_IMAGE_PIXELS", most)
        said = wrong(image_graph(1, 4, 4), csv)
        assert "Raise PIL.Image.MAX_IMAGE_PIXELS, and limits=Limits(pixels=...) (line 2)" in said


def test_pixels_that_are_not_finite_are_not_normalised_away(tmp_path):
    pixels = np.linspace(0, 1, 400, dtype=np.float32).reshape(20, 20)
    pixels[3, 3] = np.inf
    np.savez(tmp_path / "a.npz", pixels)
    said = wrong(image_graph(1, 4, 4), write_csv(tmp_path, "file", ["a.npz"]), normalise=Percentile())
    assert "images: pixels are float32, expected numbers, all of them finite (line 2)" in said


def test_an_image_of_no_pixels_is_a_problem(tmp_path):
    np.savez(tmp_path / "a.npz", grey(0, (0, 4)))
    said = wrong(image_graph(1, 4, 4), write_csv(tmp_path, "file", ["a.npz"]))
    assert "images: pixels of shape (0, 4), expected (height, width) or (height, width, 1) (line 2)" in said


def test_bytes_at_random_are_refused_or_read_and_never_fail_otherwise(tmp_path):
    save(tmp_path / "p.png", STEPS)
    save(tmp_path / "j.jpg", STEPS)
    (tmp_path / "t.tif").write_bytes(tiff(STEPS))
    np.savez(tmp_path / "n.npz", STEPS)
    draw = np.random.default_rng(0)
    for name in ("p.png", "j.jpg", "t.tif", "n.npz"):
        content = (tmp_path / name).read_bytes()
        for _ in range(60):
            broken = bytearray(content)
            for at in draw.integers(0, len(broken), 3):
                broken[at] = draw.integers(256)
            (tmp_path / name).write_bytes(broken)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                with suppress(TableError):
                    read_picture_of(tmp_path, name)


# real data


def test_cardiac_mri(real_data):
    class Heart(Graph):
        sex = Categorical(levels=("Female", "Male"))
        lv_area = Continuous(parents=[sex], unit="fraction", bounds=(0, 1), measured=Area("lv"))
        x = Image(parents=[sex, lv_area], shape=(1, 64, 64))

    folder = real_data("sunnybrook_lv")
    arrays = {"images": folder / "lv_128.npz", "masks": folder / "lv_128.npz", "structures": ("lv",)}
    table = read_table(Heart, folder / "metadata.csv", **arrays, normalise=Percentile(1, 99))
    assert table["x"].shape == (805, 1, 64, 64)
    assert [len(table.where(split=part)) for part in ("train", "val", "test")] == [600, 75, 130]
    drawn = table.masks["lv"].float().mean((1, 2))
    assert (drawn.mean() / table["lv_area"].mean() - 1).abs() < 0.003
    train, test = table.split(by="patient", fractions=(0.8, 0.2))
    assert not set(train.extra["patient"]) & set(test.extra["patient"])


def test_chest_radiographs(real_data):
    class Chest(Graph):
        finding = Categorical(levels=("normal", "bacteria", "virus"))
        left = Continuous(parents=[finding], unit="fraction", measured=Area("left_lung"))
        x = Image(parents=[finding, left], shape=(1, 32, 32))

    folder = real_data("cxr_pediatric")
    arrays = {"images": folder / "cxr_128.npz", "masks": folder / "cxr_128.npz"}
    table = read_table(Chest, folder / "metadata.csv", **arrays, structures=("right_lung", "left_lung"))
    assert len(table) == 1566
    assert table.filled == {"left": "masks"}
    known = torch.tensor([float(cell) for cell in table.extra["left_lung_area"]])
    assert (table["left"] - known).abs().mean() < 0.02 * known.mean()
