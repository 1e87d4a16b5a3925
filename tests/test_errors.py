import pickle

import numpy as np
import pytest
import torch

from causalimg.errors import (
    InvalidSpecError,
    check_given,
    check_kind,
    check_kinds,
    check_known,
    located,
    unknown,
    whole,
)
from causalimg.graph import Area
from causalimg.graph.spec import Spec


class Box(Spec):
    width: int
    depth: float = 1.0


def test_unknown_names_the_thing_the_nearest_name_and_all_known_ones():
    assert str(unknown("variable", "lv_aera", ["x", "lv_area"])) == (
        "unknown variable 'lv_aera'. Did you mean 'lv_area'? Known: lv_area, x."
    )


def test_unknown_suggests_nothing_where_nothing_is_near():
    assert str(unknown("variable", "height", ["x"])) == "unknown variable 'height'. Known: x."
    assert str(unknown("reader", "lv", [])) == "unknown reader 'lv'. Known: (none)."


def test_the_nearest_name_is_found_in_another_case_and_for_other_types():
    assert "Did you mean 'LV_area'?" in str(unknown("variable", "lv_AREA", ["LV_area"]))
    assert "unknown level 3." in str(unknown("level", 3, ["a"]))


def test_check_known_raises_for_the_first_stranger_only():
    check_known("variable", ["a", "b"], iter(["b", "a"]))
    with pytest.raises(ValueError, match="unknown variable 'c'"):
        check_known("variable", ["a", "c", "d"], ["a", "b"])


def test_an_invalid_spec_is_one_line_for_each_mistake():
    with pytest.raises(InvalidSpecError) as error:
        Box(depth="deep", widht=3)
    assert str(error.value).splitlines() == [
        "Box.width: Field required",
        "Box.depth: Input should be a valid number, unable to parse string as a number, got 'deep'",
        "Box: unknown setting 'widht'. Did you mean 'width'? Known: depth, width.",
    ]


def test_located_puts_the_place_before_the_message_and_replaces_the_name_of_a_class():
    with pytest.raises(ValueError, match=r"^Heart\.x\.width: Input should be a valid integer"), located("Heart.x"):
        Box(width="wide")
    with pytest.raises(ValueError, match=r"^Heart\.x: too dark$"), located("Heart.x"):
        raise ValueError("too dark")


def test_located_leaves_other_errors_alone():
    with pytest.raises(KeyError), located("Heart.x"):
        raise KeyError("x")


def test_an_invalid_spec_survives_the_way_between_processes():
    with pytest.raises(InvalidSpecError) as error:
        Area(3)
    assert str(pickle.loads(pickle.dumps(error.value))) == str(error.value)


def test_what_is_missing_is_named_and_what_was_given_instead():
    check_given("mask", ["disc"], ["disc", "ring"])
    with pytest.raises(ValueError, match=r"missing mask 'disc'\. Given: \(none\)\."):
        check_given("mask", ["disc"], [])
    with pytest.raises(ValueError, match=r"missing mask 'disc'\. Was 'disk' meant to be it\? Given: disk\."):
        check_given("mask", ["disc"], ["disk"])


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (800, "recipe: expected Box or None, got int 800"),
        ("lv", "recipe: expected Box or None, got str 'lv'"),
        ([1], "recipe: expected Box or None, got list"),
        (Box, "recipe: expected Box or None, got the class Box"),
    ],
)
def test_an_argument_of_another_kind_is_named_with_what_was_given(given, message):
    with pytest.raises(TypeError) as error:
        check_kind("recipe", given, Box, type(None))
    assert str(error.value) == message
    check_kind("recipe", None, Box, type(None))


@pytest.mark.parametrize("given", ["box", Box(width=1), {"width": 1}, [Box(width=1), None]])
def test_a_list_is_of_one_kind(given):
    with pytest.raises(TypeError, match="^boxes: expected"):
        check_kinds("boxes", given, Box)
    check_kinds("boxes", (Box(width=1),), Box)


@pytest.mark.parametrize("given", [2.0, "2", None, [2], float("nan"), 0, 6])
def test_a_count_is_a_whole_number_within_its_limits(given):
    with pytest.raises((TypeError, ValueError), match="^n: expected"):
        whole("n", given, 1, 5)
    assert whole("n", np.int64(2), 1, 5) == whole("n", torch.tensor(2), 1) == 2
