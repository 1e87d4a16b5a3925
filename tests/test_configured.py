import json
import re
from abc import ABC, abstractmethod
from threading import Thread
from typing import ClassVar

import pytest
import torch
from pydantic import PositiveInt
from torch import nn

from causalimg.configured import Configured, bounded, register


class Filter(Configured):
    family: ClassVar[str] = "filters"
    _cache: int
    built = 3  # no annotation: not a setting


class Blur(Filter):
    width: PositiveInt = 32
    sides: tuple[int, ...] = (1, 2)


class WideBlur(Blur):
    width = 64
    rounds: int = 3


def test_settings_become_attributes_and_the_others_keep_their_defaults():
    blur = Blur(width=8)
    assert (blur.width, blur.sides) == (8, (1, 2))
    assert not hasattr(blur, "_cache")


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


def test_what_is_private_or_of_the_class_or_has_no_annotation_is_no_setting():
    for name in ("built", "family", "_cache"):
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
        ValueError, match=r"unknown kind of Filter 'Blurr'. Did you mean 'Blur'\? Known: Blur, .*WideBlur."
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


# --- one inside another


class Edit(Configured):
    pass


class Warp(Edit):
    strength: float = 1.0

    def __init__(self, **settings):
        super().__init__(**settings)
        self.field = nn.Parameter(torch.zeros(2))


class Fade(Edit):
    pass


class Edited(Filter):
    base: Filter
    edit: Edit


class Optional(Filter):
    edit: Edit | None = None
    other: Edit = Warp(strength=5.0)


NESTED = {
    "kind": "Edited",
    "base": {"kind": "Edited", "base": {"kind": "Blur", "width": 7, "sides": [1, 2]}, "edit": {"kind": "Fade"}},
    "edit": {"kind": "Warp", "strength": 2.0},
}


def nested():
    return Edited(base=Edited(base=Blur(width=7), edit=Fade()), edit=Warp(strength=2.0))


def test_one_inside_another_makes_the_round_trip_through_json():
    assert nested().to_data() == NESTED
    again = Filter.from_data(json.loads(json.dumps(NESTED)))
    assert type(again.base.base) is Blur
    assert again.base.base.width == 7
    assert again.edit.strength == 2
    assert again.to_data() == NESTED


def test_an_instance_and_its_data_are_the_same_setting():
    assert (
        Edited(base={"kind": "Blur", "width": 5}, edit=Fade()).to_data()
        == Edited(base=Blur(width=5), edit=Fade()).to_data()
    )


def test_one_inside_another_is_a_submodule_registered_once():
    edited = nested()
    assert list(edited.state_dict()) == ["edit.field"]
    assert [id(p) for p in edited.parameters()] == [id(edited.edit.field)]


def test_what_was_given_stays_as_it_was():
    warp = Warp()
    first, second = (Edited(base=Blur(), edit=warp) for _ in range(2))
    with torch.no_grad():
        first.edit.field.fill_(1)
    first.base.bound = True
    assert first.spec.edit is warp
    assert not hasattr(first.spec.base, "bound")
    assert all(edit.field.tolist() == [0, 0] for edit in (warp, second.edit))
    assert type(first)(**dict(first.spec)).edit.field.tolist() == [0, 0]


def test_a_default_does_not_hide_the_submodule_and_is_shared_by_nobody():
    plain, given = Optional(), Optional(edit=Warp(strength=3.0))
    assert plain.edit is None
    assert given.edit.strength == 3
    assert list(given.state_dict()) == ["edit.field", "other.field"]
    assert plain.other.strength == 5
    assert plain.other is not given.other
    assert Filter.from_data(plain.to_data()).to_data() == plain.to_data()


def test_a_part_of_another_kind_may_be_put_in_its_place():
    edited = nested()
    edited.base = Blur(width=1)
    assert edited.base.width == 1
    assert edited.to_data() == NESTED


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Edited(base=Blur()), "^Edited.edit: Field required$"),
        (
            lambda: Edited(edit=Fade(), base=3),
            "^Edited.base: expected Filter, or a mapping with its 'kind', got int$",
        ),
        (lambda: Edited(base=Blur(), edit=Blur()), "^Edited.edit: expected Edit, .* got Blur$"),
        (lambda: Edited(base=Blur, edit=Fade()), "^Edited.base: expected Filter, .* got the class Blur$"),
        (
            lambda: Filter.from_data(NESTED | {"base": {"kind": "Blurr"}}),
            "^Edited.base: unknown kind of Filter 'Blurr'. Did you mean 'Blur'",
        ),
        (
            lambda: Filter.from_data(NESTED | {"edit": {"kind": "Warp", "strenght": 1.0}}),
            "^Edited.edit: unknown setting 'strenght'. Did you mean 'strength'",
        ),
        (
            lambda: Filter.from_data(NESTED | {"base": {"kind": "Edited", "base": {"kind": "Blur", "width": 0}}}),
            r"Edited.base.base: .*greater than 0, got 0|Edited.base.base.width: .* greater than 0, got 0",
        ),
        (lambda: Blur.from_data(NESTED), "^expected a Blur, got a Edited$"),
    ],
)
def test_a_mistake_in_one_inside_another_is_named_by_its_path(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_an_annotation_that_cannot_be_saved_is_refused_where_it_stands():
    with pytest.raises(
        TypeError, match=r"^Layered: .* one of width, layer can't be saved as JSON .*Linear.*`__init__`"
    ):

        class Layered(Filter):
            width: int = 3
            layer: nn.Linear

    assert "Layered" not in Filter.kinds


# --- names


def define(name: str, module: str) -> type:
    return type(name, (Filter,), {"__module__": module})


def test_the_name_of_a_class_of_another_module_is_refused():
    with pytest.raises(TypeError, match=rf"^two kinds named 'Blur': theirs.* and {__name__}.*call yours otherwise"):
        define("Blur", "theirs")
    assert Filter.kinds["Blur"] is Blur
    assert type(Filter.from_data({"kind": "Blur"})) is Blur


def test_a_class_defined_again_in_its_own_module_is_the_new_one():
    first, second = (define("Cell", "notebook") for _ in range(2))
    assert first is not second
    assert Filter.kinds["Cell"] is second


def test_the_same_name_in_another_family_is_no_conflict():
    kinds: dict[str, type] = {}
    register(kinds, Blur)
    assert kinds == {"Blur": Blur}


# --- as a file asks


class Layer(Filter):
    width: int = 2

    def __init__(self, **settings):
        super().__init__(**settings)
        self.linear = nn.Linear(self.width, self.width)


@pytest.mark.parametrize("width", [10**5, 10**9, 10**12, 10**30])
def test_a_network_that_a_file_asks_for_is_bounded_before_its_memory_is_touched(width):
    with pytest.raises(ValueError, match="^Layer(: a network of more than| can't be made of these settings)") as error:
        Filter.from_data({"kind": "Layer", "width": width})
    assert "\n" not in str(error.value)


def two_layers(parameters):
    with bounded("two", parameters):
        Layer()
        Layer()


def test_parameters_are_counted_together_and_in_this_thread_only():
    two_layers(12)
    with pytest.raises(ValueError, match="^two: a network of more than 11 parameters"):
        two_layers(11)
    with bounded("none", parameters=0):
        thread = Thread(target=Layer)
        thread.start()
        thread.join()
    with bounded("outer", parameters=12):  # of what is within another, both are counted
        two_layers(12)
    with pytest.raises(ValueError, match="^outer: "), bounded("outer", parameters=11):
        two_layers(12)
    Layer()


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ([], "expected a mapping with its 'kind', got []"),
        ({"kind": "Abstract"}, "unknown kind of Filter 'Abstract'."),
        ({"kind": ["Blur"]}, "unknown kind of Filter ['Blur']."),
        ({"kind": "Blur", "self": 1}, "Blur can't be made of these settings"),
        ({"kind": "Needy"}, "Needy can't be made of these settings: Needy.__init__() missing 1 required"),
    ],
)
def test_data_that_makes_nothing_is_a_value_error(data, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        Filter.from_data(data)


class Abstract(Filter, ABC):
    @abstractmethod
    def draw(self): ...


class Needy(Filter):
    def __init__(self, network, **settings):
        super().__init__(**settings)


def test_nesting_is_bounded():
    data = {"kind": "Blur"}
    for _ in range(12):
        data = {"kind": "Edited", "base": data, "edit": {"kind": "Fade"}}
    with pytest.raises(ValueError, match="nested deeper than 12 levels"):
        Filter.from_data(data)
