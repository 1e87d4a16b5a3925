"""A table: rows and parts of it, and the mapping that it is."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

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
