"""A folder of images plus a CSV becomes a table; whatever is wrong with it is said at once, with the line and the right name."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image as Picture

from causalimg.data.files import read_table
from causalimg.data.images import Percentile, area_average, masks_of
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


def one_row(tmp_path, pixels, graph, normalise=None, name="a.png"):
    """The image of a table whose only row has these pixels."""
    if name.endswith(".npz"):
        np.savez(tmp_path / name, pixels)
    else:
        save(tmp_path / name, pixels)
    return read_table(graph, write_csv(tmp_path, "file", [name]), normalise=normalise)["x"][0]


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
    assert one_row(tmp_path, grey(255, (37, 23)), image_graph(3, 7, 5)).max() == 1


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
        "lv_area: nan is not a number in [0, 0.9] fraction (line 5)",
        f"images: no file 'a.pgn' in {folder}. Did you mean 'a.png'? (line 2)",
        "images: can't read 'b.png': cannot identify image file",
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
    assert len(lines) == 1 + 6 + 6 + 1
    assert "  images: ... and 25 more like these" in lines
    assert "  age: the cell is empty (lines 32, 33, 34, 35, 36 and 4 more)" in lines
    assert len(caught.value.problems) == 61


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
    ],
)
def test_arguments_that_cannot_be_right_are_refused(folder, options, match):
    with pytest.raises(ValueError, match=match):
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
        (grey(float("nan"), dtype=np.float32), "pixels from nan to nan"),
        (grey(3, dtype=np.int16), "pixels are int16, expected uint8, uint16 or floats; or say normalise=Percentile()"),
        (grey(3, (4, 4, 2)), "pixels of shape (4, 4, 2), expected (height, width) or (height, width, 1)"),
    ],
    ids=["out of bounds", "nan", "int16", "two channels"],
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
    ],
    ids=["empty", "header only", "semicolons", "duplicate", "short row", "latin-1"],
)
def test_a_file_that_is_no_table_is_a_problem(folder, text, what):
    (folder / "heart.csv").write_bytes(text)
    assert what in wrong(Heart, folder / "heart.csv")


def test_a_table_file_that_is_missing_is_not_found(tmp_path):
    with pytest.raises(FileNotFoundError, match="none.csv"):
        read_table(Heart, tmp_path / "none.csv")


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
