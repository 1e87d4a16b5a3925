"""Tables on disk: what is read from there is what would be in memory, to the bit, and nothing that was written is lost."""

import copy
import os
import pickle
import shutil
import subprocess
import sys
import warnings
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
import torch

import causalimg as ci
from causalimg.data import files
from causalimg.data.problems import TableError
from causalimg.data.store import LOCK, PARTS
from causalimg.stored import Stored
from causalimg.values import widen

HEART = ci.phantoms.Heart(size=32)
ABOUT = "hearts"
RECIPES = {name: ci.Recipe(steps=4, batch=8) for name in HEART.graph}


def rows(seed=0, n=16):
    sample = HEART.sample(n, seed=seed)
    return ci.Table(HEART.graph, sample.values, sample.masks, {"patient": [f"{seed}-{i}" for i in range(n)]})


def joined(tables):
    values = {name: torch.cat([table[name] for table in tables]) for name in tables[0].values}
    return ci.Table(HEART.graph, values, extra={"patient": [p for table in tables for p in table.extra["patient"]]})


def bad(seed):
    if seed == 2:
        raise OSError("the scanner is away")
    return rows(seed)


@pytest.fixture
def stored(tmp_path):
    return ci.store_table(tmp_path / "hearts", [partial(rows, seed) for seed in range(4)], about=ABOUT)


@pytest.fixture(scope="module")
def in_memory():
    return joined([rows(seed) for seed in range(4)])


def test_rows_come_from_disk_as_they_were(stored, in_memory):
    assert isinstance(stored["x"], Stored)
    assert isinstance(stored.masks["lv"], Stored)
    assert isinstance(stored["age"], torch.Tensor)
    for name in in_memory:
        assert torch.equal(stored[name][:], in_memory[name])
    assert stored.extra == in_memory.extra
    assert torch.equal(stored["x"][3], in_memory["x"][3])
    assert torch.equal(stored["x"][torch.tensor([40, 2, 2])], in_memory["x"][[40, 2, 2]])
    assert torch.equal(stored.rows([5, 60, 1])["x"][1:], in_memory["x"][[60, 1]])
    assert stored["x"].shape == in_memory["x"].shape


def test_what_is_done_to_rows_in_memory_does_not_reach_the_file(stored):
    before = stored["x"][0].clone()
    some = stored.rows([0, 2])["x"]
    for taken in (
        stored["x"][0],
        stored["x"][:2],
        stored["x"][torch.tensor([0])],
        some[0],
        some[0, 0],
        stored["x"][...],
    ):
        taken.fill_(7)
    assert torch.equal(stored["x"][0], before)


INDICES = [
    2,
    -1,
    None,
    slice(-3, None),
    slice(None, None, 2),
    [0, -2],
    range(3),
    np.array([4, 0]),
    np.int64(1),
    np.array([True, False, True, False, True]),
    torch.tensor([[0, 1], [2, 2]]),
    (slice(None), 0),
    (slice(1, 3), [0], slice(1, 4)),
    (1, 0, 3),
    ([0, 1, 2], 0, [3, 3, 1]),
    ([0, 1], slice(None), [2, 0]),
    (..., 3),
    (None, 2),
]


@pytest.mark.parametrize("part", [range(5), [6, 3, 3, 0, 1]], ids=["all", "some"])
@pytest.mark.parametrize("index", INDICES, ids=map(repr, INDICES))
def test_an_index_is_what_it_is_of_a_tensor(tmp_path, part, index):
    pixels = np.random.default_rng(0).random((5 if part == range(5) else 7, 2, 4), np.float32)
    np.save(tmp_path / "x.npy", pixels)
    column = Stored(tmp_path / "x.npy")
    column = column if part == range(5) else column.at(part)
    tensor = torch.from_numpy(pixels[part])
    assert torch.equal(column[index], tensor[index])
    column[index].fill_(7)
    assert torch.equal(column[:], tensor)
    with pytest.raises(IndexError):
        column[5]


def test_functions_of_torch_and_numpy_take_columns(stored, in_memory):
    some = stored.rows(range(5))["x"]
    assert torch.equal(torch.cat([some, torch.ones(1, 1, 32, 32)])[:5], in_memory["x"][:5])
    assert torch.equal(torch.stack(tensors=(some, some))[1], in_memory["x"][:5])
    assert torch.equal(torch.ones(5, 1, 32, 32) * some, in_memory["x"][:5])
    assert np.array_equal(np.asarray(some, dtype=np.float64), in_memory["x"][:5].double().numpy())
    assert widen(stored.rows([3])["x"], 4).shape == (4, 1, 32, 32)


def test_a_column_goes_to_a_device_in_chunks(stored, monkeypatch):
    monkeypatch.setattr("causalimg.stored.CHUNK", 10)
    read, taken = [], Stored.__getitem__
    monkeypatch.setattr(Stored, "__getitem__", lambda self, index: read.append(index) or taken(self, index))
    assert stored.rows(range(25))["x"].to("meta").shape == (25, 1, 32, 32)
    assert read == [slice(0, 10), slice(10, 20), slice(20, 30)]
    assert stored["x"].to("cpu") is stored["x"]


def test_an_open_table_stays_what_it_was(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    table = ci.store_table("hearts", [rows], about=ABOUT)
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    before, sent = table["x"][:], pickle.dumps(table.rows(range(4))["x"])
    assert torch.equal(pickle.loads(sent)[:], before[:4])
    shutil.rmtree(tmp_path / "hearts")
    ci.store_table(tmp_path / "hearts", [partial(rows, 1)], about=ABOUT)
    assert torch.equal(table.rows(range(4))["x"][:], before[:4])
    with pytest.raises(ValueError, match=r"values\.x\.npy was changed while a table had it open"):
        pickle.loads(sent)


def test_a_part_stays_on_disk_and_travels_as_its_path(stored):
    train, _, _ = stored.split(by="patient")
    assert isinstance(train["x"], Stored)
    for other in (copy.deepcopy(train["x"]), pickle.loads(pickle.dumps(train["x"]))):
        assert torch.equal(other[:], train["x"][:])
    assert len(pickle.dumps(train["x"])) < train["x"].nbytes / 2


@pytest.mark.filterwarnings("ignore:the image hardly")
@pytest.mark.parametrize("image", [ci.HVAE(widths=(4, 8), latents=(0, 2)), ci.FlowMatching(widths=(4, 4), steps=2)])
def test_training_from_disk_is_bitwise_that_from_memory(stored, in_memory, image):
    def learnt(table):
        train, val, _ = table.split(by="patient")
        model = ci.compile(HEART.graph, x=image)
        model.fit(train, val, **RECIPES)
        return model

    from_disk, from_memory = learnt(stored), learnt(in_memory)
    for one, other in zip(from_disk.state_dict().values(), from_memory.state_dict().values(), strict=True):
        assert torch.equal(one, other)
    asked = {"lv_area": 0.3 * in_memory["lv_area"][:5]}
    answers = [from_disk.do(t.rows(slice(0, 5)), **asked, support="allow") for t in (stored, in_memory)]
    assert torch.equal(answers[0]["x"], answers[1]["x"])


def test_a_table_is_opened_again_and_made_once(stored, tmp_path):
    def never():
        raise AssertionError("it is there")

    again = ci.store_table(tmp_path / "hearts", [never] * 4, about=ABOUT)
    assert torch.equal(again["x"][:], ci.load_table(tmp_path / "hearts")["x"][:])
    assert again["x"].digest() == stored["x"].digest()
    assert again.rows([0])["x"].digest() != again.rows([1])["x"].digest()


@pytest.mark.parametrize("workers", [0, 2])
def test_what_was_whole_stays_and_is_gone_on_with(tmp_path, workers, in_memory):
    with pytest.raises(OSError, match="the scanner is away"):
        ci.store_table(tmp_path / "h", [partial(bad, seed) for seed in range(4)], about=ABOUT, workers=workers)
    with pytest.raises(ValueError, match="was not finished"):
        ci.load_table(tmp_path / "h")
    lines = (tmp_path / "h" / PARTS).read_text().splitlines()
    assert len(lines) == 3
    made = []

    def counted(seed):
        made.append(seed)
        return rows(seed)

    table = ci.store_table(tmp_path / "h", [partial(counted, seed) for seed in range(4)], about=ABOUT)
    assert made == [2, 3]
    assert torch.equal(table["x"][:], in_memory["x"])


@pytest.mark.parametrize("cut", [1, 40, 1500])
def test_what_was_cut_short_is_written_again(tmp_path, cut, in_memory):
    parts = [partial(rows, seed) for seed in range(4)]
    with pytest.raises(OSError, match="away"):
        ci.store_table(tmp_path / "h", [*map(partial, [rows, rows, bad, bad], range(4))], about=ABOUT)
    noted = tmp_path / "h" / PARTS
    noted.write_bytes(noted.read_bytes()[:-cut])  # killed while it wrote
    assert torch.equal(ci.store_table(tmp_path / "h", parts, about=ABOUT)["x"][:], in_memory["x"])


def test_bad_parts_are_refused(tmp_path):
    def nan(seed):
        table = rows(seed)
        table["age"][3] = float("nan")
        return table

    with pytest.raises(ValueError, match=r"the part after row 16: age, row 3: nan"):
        ci.store_table(tmp_path / "a", [rows, partial(nan, 1)], about=ABOUT)
    with pytest.raises(ValueError, match="it has no rows"):
        ci.store_table(tmp_path / "b", [lambda: rows(n=0)], about=ABOUT)
    with pytest.raises(ValueError, match="no parts"):
        ci.store_table(tmp_path / "c", [], about=ABOUT)


def small(levels=("f", "m"), size=4, mask_size=4, mask_type=torch.bool, extra=("patient",)):
    """Two rows."""
    graph = ci.Graph.of(sex=ci.Categorical(levels=levels), x=ci.Image(shape=(1, size, size)))
    values = {"sex": torch.tensor([0, 1]), "x": torch.zeros(2, 1, size, size)}
    masks = {"lv": torch.zeros(2, mask_size, mask_size, dtype=mask_type)}
    return ci.Table(graph, values, masks, {name: ["a", "b"] for name in extra})


def away():
    raise OSError("the scanner is away")


@pytest.mark.parametrize("resumed", [False, True])
@pytest.mark.parametrize(
    ("other", "what"),
    [
        ({"levels": ("m", "f")}, "its graph is another one"),
        ({"size": 5}, "its graph is another one"),
        ({"mask_size": 5}, r"masks\.lv: bool \(5, 5\), those before have .*masks\.lv: bool \(4, 4\)"),
        ({"mask_type": torch.uint8}, r"masks\.lv: uint8 \(4, 4\), those before"),
        ({"extra": ("scan",)}, r"extra columns \['scan'\], those before have \['patient'\]"),
    ],
)
def test_parts_that_differ_are_refused(tmp_path, other, what, resumed):
    if resumed:
        with pytest.raises(OSError, match="away"):
            ci.store_table(tmp_path / "s", [small, away], about=ABOUT)
    with pytest.raises(ValueError, match=f"the part after row 2: .*{what}"):
        ci.store_table(tmp_path / "s", [small, partial(small, **other)], about=ABOUT)
    assert len(ci.store_table(tmp_path / "s", [small, small], about=ABOUT)) == 4


@pytest.mark.parametrize(
    ("parts", "what"),
    [
        (small(), "parts: expected a list of functions that make Tables, got Table"),
        ([small()], "parts: expected a list of functions that make Tables, got Table"),
        (small, "parts: expected a list of functions that make Tables, got function"),
        ([lambda: dict(small().values)], "what the part after row 0 makes: expected Table, got dict"),
    ],
)
def test_what_makes_no_tables_is_refused(tmp_path, parts, what):
    with pytest.raises(TypeError, match=what):
        ci.store_table(tmp_path / "s", parts, about=ABOUT)


def test_other_parts_are_another_table(stored, tmp_path):
    with pytest.raises(TypeError, match="about"):
        ci.store_table(tmp_path / "hearts", [rows] * 4)
    with pytest.raises(FileExistsError, match=r"by its about:"):
        ci.store_table(tmp_path / "hearts", [rows] * 4, about="other hearts")
    with pytest.raises(TypeError, match="about: expected plain JSON data"):
        ci.store_table(tmp_path / "a", [rows], about={"seed": torch.zeros(1)})
    with pytest.raises(ValueError, match="workers: expected at least 0, got -3"):
        ci.store_table(tmp_path / "a", [rows], about=ABOUT, workers=-3)
    assert not (tmp_path / "a").exists()


class TornError(Exception):
    """Pickle can't make it anew: it asks for two arguments, and tells of one."""

    def __init__(self, what, where):
        super().__init__(what)
        self.where = where


def unsendable(how):
    if how == "torn":
        raise TornError("the scanner is torn", "here")
    if how == "held":
        raise ValueError(lambda: how)
    return replace(small(), preprocessing=ci.Preprocessing(normalise=lambda pixels: pixels))


@pytest.mark.parametrize(
    ("how", "what"),
    [
        ("torn", "made a TornError: the scanner is torn"),
        ("held", "made a ValueError: <function"),
        ("table", "made a Table: it can't be sent to another process, say workers=0"),
    ],
)
def test_what_cant_be_sent_is_an_error_and_no_end_of_waiting(tmp_path, how, what):
    with pytest.raises(RuntimeError, match=what):
        ci.store_table(tmp_path / "s", [partial(unsendable, how)], about=ABOUT, workers=1)


HOLD = """
import fcntl, sys
file = open(sys.argv[1], "a")
fcntl.lockf(file, fcntl.LOCK_EX)
print("held", flush=True)
sys.stdin.read()
"""


@pytest.mark.skipif(sys.platform == "win32", reason="nobody looks out there")
def test_one_process_writes_at_a_time(tmp_path):
    with pytest.raises(OSError, match="away"):
        ci.store_table(tmp_path / "s", [small, away], about=ABOUT)
    command = [sys.executable, "-c", HOLD, str(tmp_path / "s" / LOCK)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout.readline() == b"held\n"
        with pytest.raises(BlockingIOError, match="another process writes into"):
            ci.store_table(tmp_path / "s", [small, small], about=ABOUT)
        other.kill()
    made = ci.store_table(tmp_path / "s", [small, small], about=ABOUT)
    (tmp_path / "s" / LOCK).unlink()
    assert torch.equal(made["x"][:], ci.store_table(tmp_path / "s", [small, small], about=ABOUT)["x"][:])
    assert not (tmp_path / "s" / LOCK).exists()  # who reads needs none


def test_rows_of_a_stored_table_are_parts_of_another(stored, tmp_path):
    some = ci.store_table(tmp_path / "some", [partial(stored.rows, range(3, 9))], about="of hearts")
    assert torch.equal(some["x"][:], stored["x"][3:9])


def test_folders_of_something_else_are_left_alone(stored, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("mine")
    with pytest.raises(FileExistsError, match=r"notes\.txt"):
        ci.store_table(tmp_path / "mine", [rows], about=ABOUT)
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["notes.txt"]
    with pytest.raises(FileExistsError, match="by its number of parts:"):
        ci.store_table(tmp_path / "hearts", [rows] * 3, about=ABOUT)
    with pytest.raises(FileNotFoundError, match="holds no table"):
        ci.load_table(tmp_path / "none")


def test_changed_files_are_refused(stored, tmp_path):
    np.save(tmp_path / "hearts" / "values.x.npy", np.zeros((3, 1, 32, 32), np.float32))
    with pytest.raises(ValueError, match=r"values\.x\.npy was changed: it has 3 rows .* expected 64"):
        ci.load_table(tmp_path / "hearts")
    np.save(tmp_path / "hearts" / "values.x.npy", np.zeros((64, 1, 64, 16), np.float32))  # of the same size
    with pytest.raises(
        ValueError, match=r"64 rows of float32 \(1, 64, 16\) in \d+ bytes, expected 64 rows of float32 \(1, 32, 32\)"
    ):
        ci.load_table(tmp_path / "hearts")
    (tmp_path / "hearts" / "values.x.npy").unlink()
    with pytest.raises(ValueError, match=r"values\.x\.npy holds no column"):
        ci.load_table(tmp_path / "hearts")
    with (tmp_path / "hearts" / "values.age.npy").open("ab") as file:
        file.write(b"more")
    with pytest.raises(ValueError, match=r"values\.age\.npy was changed: .* in 388 bytes, expected .* in 384 bytes"):
        ci.load_table(tmp_path / "hearts")


# -- files ---------------------------------------------------------------------------------------------------------------

SCANS = ci.Graph.of(
    age=ci.Continuous(unit="year", bounds=(0, 110)),
    lv=ci.Continuous(unit="px", bounds=(0, None), measured=ci.Area("lv")),
    x=ci.Image(parents=["age", "lv"], shape=(1, 8, 8)),
)


@pytest.fixture
def scans(tmp_path, monkeypatch):
    """Ten pictures with masks, read three at a time."""
    monkeypatch.setattr(files, "PART", 3)
    draw = np.random.default_rng(0)
    for folder, most in (("images", 256), ("masks", 2)):
        (tmp_path / folder).mkdir()
        for i in range(10):
            PIL.Image.fromarray(draw.integers(0, most, (16, 16), np.uint8)).save(tmp_path / folder / f"{i}.png")
    lines = ["file,patient,age", *(f"{i}.png,p{i},{40 + i}" for i in range(10))]
    (tmp_path / "scans.csv").write_text("\n".join(lines))
    return tmp_path


def read(folder: Path, **how):
    return ci.read_table(
        SCANS, folder / "scans.csv", folder / "images", masks=folder / "masks", structures=["lv"], **how
    )


@pytest.mark.parametrize("workers", [0, 2])
def test_files_are_read_to_disk_as_to_memory(scans, workers):
    here, there = read(scans), read(scans, store=scans / "store", workers=workers)
    assert list(there) == list(here)
    for name in here:
        assert torch.equal(there[name][:], here[name])
    assert torch.equal(there.masks["lv"][:], here.masks["lv"])
    assert (there.extra, there.lines, there.filled) == (here.extra, here.lines, here.filled)
    assert there.preprocessing == here.preprocessing
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(files._Reading, "__call__", None)  # nothing is read again
        assert torch.equal(read(scans, store=scans / "store")["x"][:], here["x"])
    shutil.rmtree(scans / "images")
    assert torch.equal(ci.load_table(scans / "store")["x"][:], here["x"])


def stored_again(folder, **how):
    return read(folder, store=folder / "store", **how)


def paint(path):
    PIL.Image.fromarray(np.zeros((16, 16), np.uint8)).save(path)


def correct(folder):
    path = folder / "scans.csv"
    path.write_text(path.read_text().replace(",40", ",41"))


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (lambda folder: paint(folder / "images" / "3.png"), "files"),
        (lambda folder: paint(folder / "masks" / "3.png"), "files"),
        (lambda folder: os.utime(folder / "images" / "9.png", ns=(0, 0)), "files"),
        (correct, "csv"),
    ],
)
def test_other_files_are_another_table(scans, change, what):
    stored_again(scans)
    change(scans)
    with pytest.raises(FileExistsError, match=rf"store holds a table of something else, by its {what}:"):
        stored_again(scans)


def test_the_same_lines_elsewhere_are_another_table(scans, monkeypatch):
    (scans / "there").mkdir()
    for folder in (scans / "images", scans / "there"):
        shutil.copy(scans / "scans.csv", folder)
    for i in range(10):
        paint(scans / "there" / f"{i}.png")
    graph = ci.Graph.of(x=SCANS["x"].model_copy(update={"parents": ()}))
    monkeypatch.chdir(scans / "images")
    ci.read_table(graph, "scans.csv", store=scans / "store")
    ci.read_table(graph, scans / "images" / "scans.csv", scans / "there" / ".." / "images", store=scans / "store")
    monkeypatch.chdir(scans / "there")
    with pytest.raises(FileExistsError, match=r"by its folders, files:"):
        ci.read_table(graph, "scans.csv", store=scans / "store")


def test_a_reader_that_learnt_more_makes_another_table(scans):
    reader = ci.Segmentor.unet(("lv",), width=4)
    how = {"readers": [reader], "store": scans / "store"}
    ci.read_table(SCANS, scans / "scans.csv", scans / "images", **how)
    ci.read_table(SCANS, scans / "scans.csv", scans / "images", **how)
    next(reader.parameters()).data.add_(1)
    with pytest.raises(FileExistsError, match=r"by its readers:"):
        ci.read_table(SCANS, scans / "scans.csv", scans / "images", **how)


def test_ways_that_cant_be_told_apart_are_refused(scans):
    with pytest.raises(
        TypeError, match=r"normalise \(with a store\): expected Percentile or Window or None, got function"
    ):
        stored_again(scans, normalise=lambda pixels: pixels / 255)
    with pytest.raises(ValueError, match="workers: expected at least 0, got -3"):
        read(scans, workers=-3)
    assert stored_again(scans, normalise=ci.Percentile(1, 99)).preprocessing.normalise == ci.Percentile(1, 99)


@pytest.mark.parametrize("row", [0, 9])
def test_who_corrects_a_mistake_says_the_same_again(scans, row):
    path = scans / "scans.csv"
    good = path.read_text()
    path.write_text(good.replace(f"{row}.png", f"{row}.jpeg"))
    with pytest.raises(TableError, match=rf"no file '{row}\.jpeg'"):
        stored_again(scans)
    path.write_text(good)
    assert torch.equal(stored_again(scans)["x"][:], read(scans)["x"])


def test_parts_of_files_travel_to_other_processes(scans, monkeypatch):
    made = []
    monkeypatch.setattr(files, "store_table", lambda folder, parts, **_: made.extend(pickle.loads(pickle.dumps(parts))))
    stored_again(scans, normalise=ci.Percentile(1, 99), readers=[ci.Segmentor.unet(("lv",), width=4)])
    assert torch.equal(made[1]()["x"], read(scans, normalise=ci.Percentile(1, 99))["x"][3:6])


@pytest.mark.parametrize("workers", [0, 2])
def test_all_that_is_wrong_is_said_at_once_with_its_lines(scans, workers):
    for i in (1, 5, 8):
        (scans / "images" / f"{i}.png").write_bytes(b"x")
    (scans / "masks" / "9.png").unlink()
    with pytest.raises(TableError) as here:
        read(scans)
    with pytest.raises(TableError) as there:
        read(scans, store=scans / "store", workers=workers)
    assert str(there.value) == str(here.value)


@pytest.mark.parametrize("workers", [0, 2])
def test_warnings_reach_the_user(scans, workers):
    graph = ci.Graph.of(lv=SCANS["lv"], x=ci.Image(shape=(1, 8, 8), spacing=(0.5, 0.5)))
    (scans / "scans.csv").write_text("file,mm\n" + "\n".join(f"{i}.png,1" for i in range(10)))
    where = (graph, scans / "scans.csv", scans / "images")
    how = {"masks": scans / "masks", "structures": ["lv"], "spacing": "mm"}
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        ci.read_table(*where, **how, store=scans / "store", workers=workers)
    assert sum("lies beyond the declared image" in str(one.message) for one in told) == 4


@pytest.mark.filterwarnings("ignore:the image hardly", "ignore:the guide", "ignore:.*the bound")
@pytest.mark.parametrize("image", [ci.HVAE(widths=(4, 8), latents=(0, 2)), ci.FlowMatching(widths=(4, 4), steps=2)])
def test_fine_tuning_from_disk(stored, in_memory, image):
    def learnt(table):
        model = ci.compile(HEART.graph, x=image)
        model.fit(table, **RECIPES)
        guide = ci.Segmentor.unet(("lv",), width=4)
        model.finetune(table, table.rows(range(9)), guidance=guide, recipe=ci.Recipe(steps=3, batch=4))
        return torch.cat([value.flatten().float() for value in model.mechanisms["x"].state_dict().values()])

    apart = (learnt(stored) - learnt(in_memory)).abs().max()
    most = 1e-2 if isinstance(image, ci.FlowMatching) else 0  # whose noise is found for each batch anew
    assert apart <= most


def test_readers_and_judgement_take_them(stored, in_memory):
    def read(table, masks):
        reader = ci.Segmentor.unet(("lv",), width=4)
        reader.fit(table["x"], {"lv": masks}, recipe=ci.Recipe(steps=2, batch=4))
        return reader

    one = read(stored, stored.masks["lv"])
    other = read(in_memory, torch.cat([rows(seed).masks["lv"] for seed in range(4)]))
    for a, b in zip(one.state_dict().values(), other.state_dict().values(), strict=True):
        assert torch.equal(a, b)
    model = ci.compile(HEART.graph, x=ci.HVAE(widths=(4, 8), latents=(0, 2)))
    model.fit(in_memory, **RECIPES)
    reports = [
        ci.evaluate(model, table, one, variables=["lv_area"], n=8, allow_weak=True) for table in (stored, in_memory)
    ]
    assert str(reports[0]) == str(reports[1])
    assert stored.describe().numbers["age"] == in_memory.describe().numbers["age"]
    stored.check_apart("patient", "patient")


def test_crafted_folders_are_refused(stored, tmp_path):
    noted = tmp_path / "hearts" / PARTS
    good = noted.read_text()
    np.save(tmp_path / "secret.npy", np.zeros(64, np.float32))
    noted.write_text(good.replace("values.age", "../secret"))
    with pytest.raises(ValueError, match="names a column"):
        ci.load_table(tmp_path / "hearts")
    noted.write_text(good.replace('"rows"', '{"rows"'))
    with pytest.raises(ValueError, match=r"parts\.jsonl is no list of parts"):
        ci.load_table(tmp_path / "hearts")
    noted.write_text(good.replace('"format": 2', '"format": 9'))
    with pytest.raises(ValueError, match=r"parts\.jsonl is of format 9, this version of causalimg reads 2"):
        ci.load_table(tmp_path / "hearts")
    size = (tmp_path / "hearts" / "values.age.npy").stat().st_size
    noted.write_text(
        good.replace('"values.age": "float32 ()', '"values.age": "float64 ()').replace(
            f'"values.age": {size}', f'"values.age": {size + 256}'
        )
    )
    np.save(tmp_path / "hearts" / "values.age.npy", np.zeros(64))
    with pytest.raises(ValueError, match=r"age is stored as torch\.float64"):
        ci.load_table(tmp_path / "hearts")
    np.save(tmp_path / "hearts" / "values.age.npy", np.array([{}] * 64), allow_pickle=True)
    with pytest.raises(ValueError, match=r"values\.age\.npy holds no column"):
        ci.load_table(tmp_path / "hearts")
