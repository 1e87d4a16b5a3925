"""A table: rows and parts of it, and the mapping that it is."""

import copy
import pickle
import unicodedata

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from causalimg.data.problems import TableError
from causalimg.data.table import Table
from causalimg.graph import Categorical, Continuous, Graph, Image


class Heart(Graph):
    age = Continuous()
    sex = Categorical(levels=("female", "male"))
    lv_area = Continuous()
    x = Image(parents=[sex, lv_area], shape=(1, 4, 4))


@pytest.fixture
def table():
    """Ten rows, two of each of five patients."""
    n = 10
    return Table(
        Heart(),
        {"age": torch.arange(n).float(), "sex": torch.arange(n) % 2, "x": torch.zeros(n, 1, 4, 4)},
        masks={"lv": torch.zeros(n, 4, 4, dtype=torch.bool)},
        extra={"patient": [f"p{i // 2}" for i in range(n)], "split": ["train"] * 6 + ["test"] * 4, "old": ["1"] * n},
    )


@pytest.mark.parametrize(
    "index",
    [slice(2, 4), [2, 3], torch.tensor([2, 3]), torch.arange(10).div(2, rounding_mode="floor") == 1, np.array([2, 3])],
    ids=["slice", "list", "positions", "mask", "array"],
)
def test_rows_takes_every_column_along(table, index):
    part = table.rows(index)
    assert part["age"].tolist() == [2, 3]
    assert part.masks["lv"].shape == (2, 4, 4)
    assert part.extra["patient"] == ["p1", "p1"]
    assert len(part) == 2
    assert len(table) == 10


def test_one_row_is_a_table_too(table):
    assert table.rows(-1)["x"].shape == (1, 1, 4, 4)


def test_where_takes_labels_and_levels(table):
    assert len(table.where(split="train")) == 6
    assert table.where(split="train", sex="male")["age"].tolist() == [1, 3, 5]
    assert len(table.where(old=1)) == 10


def test_a_mistyped_name_gets_the_nearest(table):
    for mistake, match in (
        (lambda: table["aeg"], "unknown variable 'aeg'. Did you mean 'age'"),
        (lambda: table.where(spilt="train"), "unknown column 'spilt'. Did you mean 'split'"),
        (lambda: table.where(split="trian"), "unknown value of split 'trian'. Did you mean 'train'"),
        (lambda: table.where(sex="mael"), "unknown value of sex 'mael'. Did you mean 'male'"),
        (lambda: table.split(by="patients"), "unknown column 'patients'. Did you mean 'patient'"),
        (lambda: table.where(age=3), r"'age' has numbers, not labels: say table.rows\(table\['age'\] > ...\)"),
        (lambda: Table(Heart(), {"aeg": torch.zeros(1)}), "unknown variable 'aeg'. Did you mean 'age'"),
    ):
        with pytest.raises(ValueError, match=match):
            mistake()


def test_columns_of_different_length_are_refused():
    with pytest.raises(ValueError, match="columns of different length: {'age': 2, 'patient': 1}"):
        Table(Heart(), {"age": torch.zeros(2)}, extra={"patient": ["p"]})


def test_a_table_serves_as_the_mapping_of_its_values(table):
    assert dict(table).keys() == {"age", "sex", "x"}
    assert {**table}["x"] is table["x"]
    assert "age" in table
    assert "lv_area" not in table


@given(st.integers(0, 2**31), st.integers(6, 30))
def test_split_keeps_groups_whole_and_loses_no_row(seed, patients):
    n = 3 * patients
    whole = Table(Heart(), {"age": torch.arange(n).float()}, extra={"patient": [f"p{i % patients}" for i in range(n)]})
    parts = whole.split(by="patient", fractions=(0.5, 0.25, 0.25), seed=seed)
    ages = [age for part in parts for age in part["age"].tolist()]
    groups = [set(part.extra["patient"]) for part in parts]
    assert sorted(ages) == list(range(n))
    assert sum(map(len, groups)) == patients
    assert abs(len(groups[0]) - patients / 2) <= 1


def test_split_depends_on_the_seed_and_nothing_else(table):
    same = [table.split(by="patient", fractions=(0.6, 0.4), seed=1)[0].extra["patient"] for _ in range(2)]
    assert same[0] == same[1]
    assert len({tuple(table.split("patient", (0.6, 0.4), seed)[0].extra["patient"]) for seed in range(5)}) > 1


def test_split_refuses_fractions_that_leave_a_part_empty(table):
    with pytest.raises(ValueError, match="5 values of 'patient' are too few"):
        table.split(by="patient", fractions=(0.9, 0.05, 0.05))
    with pytest.raises(ValueError, match="sum to 1"):
        table.split(by="patient", fractions=(0.8, 0.1))


# leaks


def images(*greys):
    """Images of one bright pixel, alike where the greys are."""
    values = torch.zeros(len(greys), 1, 4, 4)
    values[:, 0, 1, 2] = torch.tensor(greys)
    return values


def patients(*names, greys=(0.1, 0.2, 0.3, 0.4), **more):
    return Table(Heart(), {"x": images(*greys)}, extra={"patient": names, **more.pop("extra", {})}, **more)


E = [unicodedata.normalize(form, "é") for form in ("NFC", "NFD")]


@pytest.mark.parametrize(
    ("table", "lines"),
    [
        (
            patients(" p4", "p4", "p5", "p6"),
            ["patient: ' p4' and 'p4' differ by case, spaces or Unicode alone: write one of "],
        ),
        (patients("p4", "P4", "p5", "p6"), ["patient: 'P4' and 'p4' differ by case"]),
        (patients("p4", E[0], "p5", E[1]), [f"patient: {E[1]!r} and {E[0]!r} differ by case"]),
        (patients("p4", "", " ", None), ["patient: the cell is empty (rows 1, 2, 3)"]),
        (patients("p4", float("nan"), "p5", "p6"), ["patient: the cell is empty (row 1)"]),
        (
            patients("p4", "p5", "p6", "p7", greys=(0.1, 0.2, 0.3, 0.1)),
            ["x: one x has the patient 'p4' and 'p7': leave rows out, or give them one patient (rows 0, 3)"],
        ),
        (patients("p4", "p4", "", "p6", lines=[2, 3, 5, 8]), ["patient: the cell is empty (line 5)"]),
        (
            patients("p4", "P4", "", "p6", greys=(0.1, 0.2, 0.3, 0.3)),
            ["patient: the cell is empty (row 2)", "patient: 'P4' and 'p4'", "x: one x has the patient '' and 'p6'"],
        ),
    ],
    ids=["spaces", "case", "Unicode", "empty", "NaN", "one image", "lines", "all at once"],
)
def test_parts_that_could_share_a_patient_or_an_image_are_refused(table, lines):
    with pytest.raises(TableError) as caught:
        table.split(by="patient", fractions=(0.5, 0.5))
    said = str(caught.value).splitlines()
    assert said[0].startswith("rows can't be split by 'patient': ")
    assert len(said) == 1 + len(lines)
    for line in lines:
        assert any(line in one for one in said)


def test_one_patient_may_have_an_image_twice_and_black_ones_are_nobodys():
    table = patients("p4", "p4", "p5", "p6", greys=(0.1, 0.1, 0, 0))
    assert len(table.split(by="patient", fractions=(0.5, 0.5))) == 2


def test_where_finds_a_value_whatever_does_not_show():
    table = patients("p1", "p2", "p3", "p4", extra={E[0]: ["train", "train ", "test", E[1]]})
    assert len(table.where(**{E[1]: "train"})) == 2
    assert len(table.where(**{E[0]: E[0]})) == 1


def test_parts_that_came_with_the_table_are_checked():
    fine = patients("p1", "p1", "p2", "p3", extra={"split": ["train", "train", "test", "test"]})
    fine.check_apart("split", by="patient")
    shared = patients("p1", "p2", "p2", "p3", extra={"split": ["train", "train", "test", "test"]}, lines=[2, 3, 4, 5])
    with pytest.raises(TableError, match="patient: one patient has the split 'test' and 'train'.* \\(lines 3, 4\\)"):
        shared.check_apart("split", by="patient")
    spelt = patients("p1", "p2", "P2", "p3", extra={"split": ["train", "train", "test", "test"]})
    with pytest.raises(TableError, match="patient: one patient has the split"):
        spelt.check_apart()
    twice = patients(
        "p1", "p2", "p3", "p4", greys=(0.1, 0.2, 0.3, 0.1), extra={"split": ["train", "train", "test", "test"]}
    )
    with pytest.raises(TableError, match="x: one x has the split 'test' and 'train'.* \\(rows 0, 3\\)"):
        twice.check_apart()


@pytest.mark.parametrize("fractions", [(), (float("nan"), 1.0), (1.2, -0.2), "half"])
def test_fractions_that_are_none_are_refused(table, fractions):
    with pytest.raises(ValueError, match="fractions must be positive and sum to 1, got"):
        table.split(by="patient", fractions=fractions)


@pytest.mark.parametrize(
    "index", [10, [0, -11], ["p1"], torch.ones(3, dtype=torch.bool), None, True, torch.tensor([0.5])]
)
def test_what_are_no_rows_is_refused(table, index):
    with pytest.raises(ValueError, match="rows: expected positions below 10, a slice, or 10 bools, got "):
        table.rows(index)
    assert len(table.rows([])) == 0


@pytest.mark.parametrize(
    ("parts", "match"),
    [
        ({"values": None}, "values: expected Mapping, got NoneType"),
        ({"values": {"age": [1.0, 2.0]}}, "age: expected Tensor or Stored, got list"),
        ({"values": {}, "masks": {"lv": np.zeros((2, 4, 4))}}, "lv: expected Tensor or Stored, got ndarray"),
    ],
)
def test_values_that_are_no_tensors_are_refused(parts, match):
    with pytest.raises(TypeError, match=match):
        Table(Heart(), **parts)


def test_an_error_is_passed_on_whole():
    with pytest.raises(TableError, match="patient: the cell is empty") as error:
        patients("p1", "", "p2", "p3").split(by="patient", fractions=(0.5, 0.5))
    for again in (pickle.loads(pickle.dumps(error.value)), copy.deepcopy(error.value)):
        assert str(again) == str(error.value)
        assert again.problems == error.value.problems


def test_lines_are_one_for_each_row():
    with pytest.raises(ValueError, match="columns of different length: {.*'lines': 1}"):
        patients("p1", "p2", "p3", "p4", lines=[2])
