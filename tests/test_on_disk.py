"""Tables on disk: what is read from there is what would be in memory, to the bit, and nothing that was written is lost."""

import copy
import pickle
import warnings
from functools import partial
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
import torch

import causalimg as ci
from causalimg.data import files
from causalimg.data.problems import TableError
from causalimg.data.store import PARTS
from causalimg.stored import Stored

HEART = ci.phantoms.Heart(size=32)
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
    return ci.store_table(tmp_path / "hearts", [partial(rows, seed) for seed in range(4)])


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
    for taken in (stored["x"][0], stored["x"][:2], stored["x"][torch.tensor([0])]):
        taken.fill_(7)
    assert torch.equal(stored["x"][0], before)


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

    again = ci.store_table(tmp_path / "hearts", [never] * 4)
    assert torch.equal(again["x"][:], ci.load_table(tmp_path / "hearts")["x"][:])
    assert again["x"].digest() == stored["x"].digest()
    assert again.rows([0])["x"].digest() != again.rows([1])["x"].digest()


@pytest.mark.parametrize("workers", [0, 2])
def test_what_was_whole_stays_and_is_gone_on_with(tmp_path, workers, in_memory):
    with pytest.raises(OSError, match="the scanner is away"):
        ci.store_table(tmp_path / "h", [partial(bad, seed) for seed in range(4)], workers=workers)
    with pytest.raises(ValueError, match="was not finished"):
        ci.load_table(tmp_path / "h")
    lines = (tmp_path / "h" / PARTS).read_text().splitlines()
    assert len(lines) == 3
    made = []

    def counted(seed):
        made.append(seed)
        return rows(seed)

    table = ci.store_table(tmp_path / "h", [partial(counted, seed) for seed in range(4)])
    assert made == [2, 3]
    assert torch.equal(table["x"][:], in_memory["x"])


@pytest.mark.parametrize("cut", [1, 40, 1500])
def test_what_was_cut_short_is_written_again(tmp_path, cut, in_memory):
    parts = [partial(rows, seed) for seed in range(4)]
    with pytest.raises(OSError, match="away"):
        ci.store_table(tmp_path / "h", [*map(partial, [rows, rows, bad, bad], range(4))])
    noted = tmp_path / "h" / PARTS
    noted.write_bytes(noted.read_bytes()[:-cut])  # killed while it wrote
    assert torch.equal(ci.store_table(tmp_path / "h", parts)["x"][:], in_memory["x"])


def test_bad_parts_are_refused(tmp_path):
    def nan(seed):
        table = rows(seed)
        table["age"][3] = float("nan")
        return table

    with pytest.raises(ValueError, match=r"the part after row 16: age, row 3: nan"):
        ci.store_table(tmp_path / "a", [rows, partial(nan, 1)])
    with pytest.raises(ValueError, match="it has no rows"):
        ci.store_table(tmp_path / "b", [lambda: rows(n=0)])
    with pytest.raises(ValueError, match="no parts"):
        ci.store_table(tmp_path / "c", [])
    with pytest.raises(ValueError, match="those before have"):
        ci.store_table(tmp_path / "d", [rows, lambda: ci.Table(HEART.graph, rows().values)])


def test_folders_of_something_else_are_left_alone(stored, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("mine")
    with pytest.raises(FileExistsError, match=r"notes\.txt"):
        ci.store_table(tmp_path / "mine", [rows])
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["notes.txt"]
    with pytest.raises(FileExistsError, match="something else"):
        ci.store_table(tmp_path / "hearts", [rows] * 3)
    with pytest.raises(FileNotFoundError, match="holds no table"):
        ci.load_table(tmp_path / "none")


def test_changed_files_are_refused(stored, tmp_path):
    np.save(tmp_path / "hearts" / "values.x.npy", np.zeros((3, 1, 32, 32), np.float32))
    with pytest.raises(ValueError, match=r"values\.x\.npy has 3 rows, expected 64"):
        ci.load_table(tmp_path / "hearts")
    (tmp_path / "hearts" / "values.x.npy").unlink()
    with pytest.raises(ValueError, match=r"values\.x\.npy"):
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
    for path in (scans / "images").iterdir():
        path.unlink()
    assert torch.equal(read(scans, store=scans / "store")["x"][:], here["x"])


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
    assert apart < (
        1e-2 if isinstance(image, ci.FlowMatching) else 1e-4
    )  # of which the noise is drawn anew at each step


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
    noted.write_text(good)
    np.save(tmp_path / "hearts" / "values.age.npy", np.zeros(64))
    with pytest.raises(ValueError, match=r"age is stored as torch\.float64"):
        ci.load_table(tmp_path / "hearts")
    np.save(tmp_path / "hearts" / "values.age.npy", np.array([{}] * 64), allow_pickle=True)
    with pytest.raises(ValueError, match=r"values\.age\.npy holds no column"):
        ci.load_table(tmp_path / "hearts")
