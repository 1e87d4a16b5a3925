from typing import ClassVar

import pytest
from pydantic import PositiveInt

from causalimg.configured import Configured


class Filter(Configured):
    family: ClassVar[str] = "filters"
    built: int  # no default: not a setting


class Blur(Filter):
    width: PositiveInt = 32
    sides: tuple[int, ...] = (1, 2)


class WideBlur(Blur):
    width = 64
    rounds: int = 3


def test_settings_become_attributes_and_the_others_keep_their_defaults():
    blur = Blur(width=8)
    assert (blur.width, blur.sides) == (8, (1, 2))
    assert not hasattr(blur, "built")


def test_a_subclass_has_the_settings_of_its_parent_and_may_change_a_default():
    assert (WideBlur().width, WideBlur().rounds, WideBlur(width=5).width) == (64, 3, 5)
    assert Blur().width == 32
    with pytest.raises(ValueError, match=r"WideBlur\.width: Input should be greater than 0, got 0"):
        WideBlur(width=0)


def test_an_unknown_setting_gets_the_nearest_name():
    with pytest.raises(
        ValueError, match=r"^Blur: unknown setting 'widht'. Did you mean 'width'\? Known: sides, width.$"
    ):
        Blur(widht=3)


def test_what_has_no_default_and_what_is_of_the_class_is_no_setting():
    for name in ("built", "family"):
        with pytest.raises(ValueError, match=f"unknown setting '{name}'"):
            Blur(**{name: 1})


@pytest.mark.parametrize("filter_", [Blur(), Blur(width=7, sides=()), WideBlur(rounds=1)])
def test_kind_and_all_settings_make_the_round_trip(filter_):
    data = filter_.to_data()
    again = Filter.from_data(data)
    assert type(again) is type(filter_)
    assert again.to_data() == data
    assert again.spec == filter_.spec


def test_data_says_the_defaults_too():
    assert Blur().to_data() == {"kind": "Blur", "width": 32, "sides": [1, 2]}


def test_from_data_names_the_nearest_kind_and_setting():
    with pytest.raises(
        ValueError, match=r"unknown kind of Filter 'Blurr'. Did you mean 'Blur'\? Known: Blur, WideBlur."
    ):
        Filter.from_data({"kind": "Blurr"})
    with pytest.raises(ValueError, match="unknown kind of Filter None"):
        Filter.from_data({"width": 3})
    with pytest.raises(ValueError, match="Did you mean 'sides'"):
        Filter.from_data({"kind": "Blur", "side": []})


def test_two_families_of_networks_do_not_share_their_kinds():
    class Reader(Configured):
        pass

    with pytest.raises(ValueError, match=r"unknown kind of Reader 'Blur'. Known: \(none\)."):
        Reader.from_data({"kind": "Blur"})
