"""Nests of tensors: walked, changed, and read batch by batch."""

from typing import NamedTuple

import numpy as np
import pytest
import torch
from torch import Tensor

from causalimg.values import by_name, count_rows, in_batches, leaves, map_tensors, numbers


class Held(NamedTuple):
    area: Tensor
    masks: dict[str, Tensor]


def nest(n: int = 5) -> dict[str, object]:
    rows = torch.arange(n)
    return {"held": Held(rows, {"lv": 10 * rows}), "pair": (rows[:, None].expand(n, 3), {}), "x": rows.float()}


def test_leaves_are_named_by_their_path():
    assert [path for path, _ in leaves(nest())] == ["held.area", "held.masks.lv", "pair.0", "x"]


def test_a_change_keeps_the_types_and_the_order():
    given = nest()
    changed = map_tensors(lambda tensor: tensor + 1, given)
    assert type(changed["held"]) is Held
    assert type(changed["pair"]) is tuple
    assert changed["pair"][1] == {}
    for (path, before), (again, after) in zip(leaves(given), leaves(changed), strict=True):
        assert path == again
        assert torch.equal(after, before + 1)


def test_what_is_no_nest_is_refused():
    with pytest.raises(TypeError, match="expected tensors, or mappings or tuples of them, got a list"):
        map_tensors(torch.neg, {"x": [1, 2]})


def test_rows_are_counted_and_must_agree():
    assert count_rows(nest(4)) == 4
    assert count_rows({}) == 0
    with pytest.raises(ValueError, match=r"same number of rows, got \{'a.b': 2, 'c': 3\}"):
        count_rows({"a": {"b": torch.ones(2)}, "c": torch.ones(3)})


@pytest.mark.parametrize("size", [1, 2, 5, 64])
def test_in_batches_is_all_at_once_whatever_the_size(size):
    seen = []

    def double(part):
        seen.append(count_rows(part))
        return map_tensors(lambda tensor: 2 * tensor, part)

    found = in_batches(double, nest(), size)
    assert type(found["held"]) is Held
    assert max(seen) <= size
    assert sum(seen) == 5
    for (_, one), (_, all_at_once) in zip(leaves(found), leaves(double(nest())), strict=True):
        assert torch.equal(one, all_at_once)


def test_in_batches_takes_a_tensor_and_gives_one():
    images = torch.rand(7, 1, 4, 4)
    assert torch.equal(in_batches(lambda part: part.mean((1, 2, 3)), images, 3), images.mean((1, 2, 3)))


def test_in_batches_of_no_rows_has_no_rows_and_the_same_shape():
    assert in_batches(lambda part: {"mask": part[:, 0] > 0.5}, torch.rand(0, 1, 4, 4), 3)["mask"].shape == (0, 4, 4)


def test_in_batches_sends_each_part_to_the_device():
    assert in_batches(lambda part: part["x"], {"x": torch.ones(3)}, 2, "meta").device.type == "meta"


def test_in_batches_joins_by_name_not_by_position():
    def turned(part):
        return {"a": part, "b": -part} if part[0] == 0 else {"b": -part, "a": part}

    found = in_batches(turned, torch.arange(4), 2)
    assert found["a"].tolist() == [0, 1, 2, 3]
    assert found["b"].tolist() == [0, -1, -2, -3]


def test_in_batches_refuses_columns_of_different_length():
    with pytest.raises(ValueError, match="same number of rows"):
        in_batches(lambda part: part["a"], {"a": torch.ones(2), "b": torch.ones(3)}, 2)


@pytest.mark.parametrize(
    ("given", "odd"), [(["a", 1.0], "'a'"), ([1, None], "None"), (None, "None"), (torch.ones(2) + 0j, "complex64")]
)
def test_what_are_no_numbers_is_said_with_the_first(given, odd):
    with pytest.raises(TypeError, match=f"^area: expected numbers, got .*{odd}"):
        numbers("area", given)


@pytest.mark.parametrize("given", [[1, 0], np.ones(2), torch.ones(2).to_sparse(), torch.ones(2, requires_grad=True)])
def test_numbers_become_a_dense_tensor_without_a_gradient(given):
    made = numbers("area", given)
    assert (made.shape, made.layout, made.requires_grad) == ((2,), torch.strided, False)


@pytest.mark.parametrize("given", [None, "a.csv", torch.ones(2), [1], dict])
def test_values_by_name_are_told_from_all_else(given):
    with pytest.raises(TypeError, match="^train: expected values by name or a Table, got"):
        by_name("train", given)
