"""What is asked of a model: what is set, and what was seen, in every form that a user may try."""

import decimal
import fractions
import threading
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

import causalimg as ci
from benchmarks.reliability import world
from benchmarks.reliability.case import Case, Right, answers, either, refuses, warns
from benchmarks.reliability.world import Disc, item, model, numbers, rows

NAN, INF = float("nan"), float("inf")
N = 8


def ask(seen: Any = None, *, of: Callable[[], Any] = model, **asked: Any) -> Any:
    """An answer about eight items, or about what was `seen`."""
    return of().do(rows() if seen is None else seen, **asked)


def ask_about(make: Callable[[], Any]) -> Any:
    """An answer about what `make` makes."""
    return model().do(make(), area=60.0)


def sets(name: str, value: float) -> Callable[[Any], bool]:
    """Whether the answer has this value, whatever was seen."""
    return lambda answer: bool((answer[name].double() - value).abs().max() < 1e-4)


NUMBERS: dict[str, tuple[Any, Right]] = {
    "NaN": (NAN, refuses("area", "nan")),
    "infinity": (INF, refuses("area", "inf")),
    "minus infinity": (-INF, refuses("area", "inf")),
    "below its bounds": (-1.0, refuses("area", "-1")),
    "an area larger than the image": (400.0, refuses("area", "256", "image")),
    "ten times the largest area": (900.0, refuses("area")),
    "None": (None, refuses("area", "number")),
    "a text": ("large", refuses("area", "large")),
    "a number as text": ("60", either(sets("area", 60), "area", "60")),
    "an empty text": ("", refuses("area")),
    "a list of texts": (["60"] * N, either(sets("area", 60), "area")),
    "a mapping": ({"a": 60.0}, refuses("area")),
    "a set": ({60.0}, refuses("area")),
    "an object": (object(), refuses("area")),
    "an empty list": ([], refuses("area", "8")),
    "three values for eight items": ([50.0, 60.0, 70.0], refuses("area", "3", "8")),
    "nine values for eight items": (torch.full((9,), 60.0), refuses("area", "9", "8")),
    "a column of columns": (torch.full((N, 1), 60.0), refuses("area", "shape")),
    "a ragged list": ([[60.0], [60.0, 70.0]], refuses("area")),
    "an image": (torch.rand(1, 16, 16), refuses("area", "shape")),
    "a complex number": (60 + 1j, refuses("area", "complex")),
    "a complex tensor": (torch.full((N,), 60 + 0j), refuses("area", "complex")),
    "a sparse tensor": (torch.full((N,), 60.0).to_sparse(), either(sets("area", 60), "area", "sparse")),
    "True": (True, refuses("area")),
    "a tensor of bool": (torch.ones(N, dtype=torch.bool), refuses("area", "bool")),
    "an int": (60, answers(sets("area", 60))),
    "a tensor of ints": (torch.full((N,), 60), answers(sets("area", 60))),
    "a tensor of uint8": (torch.full((N,), 60, dtype=torch.uint8), answers(sets("area", 60))),
    "a tensor of float64": (torch.full((N,), 60.0, dtype=torch.float64), answers(sets("area", 60))),
    "a tensor of float16": (torch.full((N,), 60.0).half(), answers(sets("area", 60))),
    "a tensor of bfloat16": (torch.full((N,), 60.0).bfloat16(), answers(sets("area", 60))),
    "a number of numpy": (np.float64(60), answers(sets("area", 60))),
    "an int of numpy": (np.int32(60), answers(sets("area", 60))),
    "an array of numpy": (np.full(N, 60.0), answers(sets("area", 60))),
    "an array of numpy, backwards": (np.full(N, 60.0)[::-1], either(sets("area", 60), "area")),
    "an array of another byte order": (np.full(N, 60.0, dtype=">f8"), either(sets("area", 60), "area")),
    "an array of texts": (np.array(["60"] * N), either(sets("area", 60), "area")),
    "an array of objects": (np.array([60.0] * N, dtype=object), either(sets("area", 60), "area")),
    "an array of dates": (np.array(["2020-01-01"] * N, dtype="datetime64[D]"), refuses("area")),
    "a masked array": (np.ma.masked_array([60.0] * N, [True] * N), refuses("area")),
    "a decimal": (decimal.Decimal(60), either(sets("area", 60), "area")),
    "a fraction": (fractions.Fraction(120, 2), either(sets("area", 60), "area")),
    "a list": ([60.0] * N, answers(sets("area", 60))),
    "a tuple": ((60.0,) * N, answers(sets("area", 60))),
    "a list of tensors": ([torch.tensor(60.0)] * N, answers(sets("area", 60))),
    "one value in a list": ([60.0], answers(sets("area", 60))),
    "a generator": ((60.0 for _ in range(N)), refuses("area")),
    "a range": (range(60, 68), either(lambda answer: answer["area"][-1] == 67, "area")),
    "a tensor that requires a gradient": (torch.full((N,), 60.0, requires_grad=True), answers(sets("area", 60))),
    "a tensor without numbers (meta)": (torch.empty(N, device="meta"), refuses("area")),
    "an int beyond int64": (10**30, refuses("area")),
    "float64 beyond float32": (torch.full((N,), 1e300, dtype=torch.float64), refuses("area")),
    "a NaN among eight": ([60.0] * 7 + [NAN], refuses("area", "row 7", "nan")),
    "one out of bounds among eight": ([60.0] * 3 + [-2.0] + [60.0] * 4, refuses("area", "row 3", "-2")),
}

UNBOUNDED: dict[str, tuple[Any, Right]] = {
    "NaN": (NAN, refuses("dose", "nan")),
    "infinity": (INF, refuses("dose", "inf")),
    "a number beyond float32": (1e300, refuses("dose", "1e+300")),
    "float64 beyond float32": (torch.full((N,), 1e39, dtype=torch.float64), refuses("dose", "1e+39")),
    "minus float64 beyond float32": (np.full(N, -1e39), refuses("dose", "-1e+39")),
    "one beyond float32 among eight": (np.array([1.0] * 7 + [1e39]), refuses("dose", "1e+39")),
    "an int beyond float32": (10**40, refuses("dose")),
    "a small number that float32 hasn't": (1e-50, answers(sets("dose", 0))),
    "an int that float32 hasn't": (2**24 + 1, either(lambda a: (a["dose"] == 2**24).all(), "dose")),
    "True": (True, refuses("dose")),
    "complex": (1j, refuses("dose", "complex")),
}

LEVELS: dict[str, tuple[Any, Right]] = {
    "by name": ("male", answers(sets("sex", 1))),
    "by index": (1, answers(sets("sex", 1))),
    "by a float index": (1.0, answers(sets("sex", 1))),
    "a list of names": (["male"] * N, answers(sets("sex", 1))),
    "an array of names": (np.array(["male"] * N), either(sets("sex", 1), "sex")),
    "a name of numpy": (np.str_("male"), answers(sets("sex", 1))),
    "a name with a typo": ("mael", refuses("sex", "Did you mean 'male'")),
    "a name in capitals": ("Male", refuses("sex", "Did you mean 'male'")),
    "a name with a blank": ("male ", refuses("sex", "Did you mean 'male'")),
    "one typo in a list": (["male"] * 7 + ["femal"], refuses("sex", "Did you mean 'female'")),
    "an index that is none": (2, refuses("sex", "2", "'female', 'male'")),
    "a negative index": (-1, refuses("sex", "-1")),
    "half a level": (0.5, refuses("sex", "0.5")),
    "NaN": (NAN, refuses("sex", "nan")),
    "infinity": (INF, refuses("sex", "inf")),
    "True": (True, either(sets("sex", 1), "sex")),
    "a tensor of bool": (torch.ones(N, dtype=torch.bool), either(sets("sex", 1), "sex")),
    "None": (None, refuses("sex")),
    "bytes": (b"male", refuses("sex")),
    "complex": (1j, refuses("sex")),
    "probabilities": (torch.tensor([[0.2, 0.8]] * N), refuses("sex", "shape")),
    "uint8": (torch.ones(N, dtype=torch.uint8), answers(sets("sex", 1))),
    "float64": (torch.ones(N, dtype=torch.float64), answers(sets("sex", 1))),
    "sparse": (torch.ones(N).to_sparse(), either(sets("sex", 1), "sex", "sparse")),
    "an index beyond int64": (10**30, refuses("sex")),
}

NAMES: dict[str, tuple[dict[str, Any], Right]] = {
    "a typo": ({"aera": 60.0}, refuses("aera", "Did you mean 'area'")),
    "capitals": ({"Area": 60.0}, refuses("Area", "Did you mean 'area'")),
    "another name": ({"weight": 60.0}, refuses("weight", "Known: age, area, dose, sex, x")),
    "one right and one wrong": ({"area": 60.0, "sexx": 1}, refuses("sexx", "Did you mean 'sex'")),
    "an argument with a typo": ({"regoin": None}, refuses("regoin")),
    "particles with a typo": ({"particle": 2}, refuses("particle")),
    "the image, by a number": ({"x": 0.5}, refuses("x", "(1, 16, 16)")),
    "the image, by one of another size": ({"x": torch.rand(1, 8, 8)}, refuses("x", "(1, 16, 16)")),
    "the image, by an image": ({"x": torch.rand(1, 16, 16)}, answers(lambda a: a["x"].shape == (N, 1, 16, 16))),
    "the image, out of bounds": ({"x": torch.full((1, 16, 16), 2.0)}, refuses("x", "2", "[0, 1]")),
}


def seen(**changed: Any) -> dict[str, Any]:
    """Eight rows, with these columns changed, or left out where they are None."""
    return {name: value for name, value in (rows() | changed).items() if value is not None}


def with_pixel(value: float) -> Tensor:
    """Eight images, one with a pixel of this value."""
    images = rows()["x"].clone()
    images[3, 0, 2, 5] = value
    return images


SEEN: dict[str, tuple[Callable[[], Any], Right]] = {
    "None": (lambda: None, refuses("x")),
    "a number": (lambda: 3, refuses("x")),
    "a text": (lambda: "heart.png", refuses("heart.png")),
    "an empty mapping": (dict, refuses("missing", "age")),
    "a list of rows": (lambda: [item(0), item(1)], refuses("x")),
    "an image without what else is known": (lambda: rows()["x"], refuses("missing", "age", "sex")),
    "no age": (lambda: seen(age=None), refuses("missing", "age")),
    "no area, which is read": (lambda: seen(area=None), answers(lambda a: (a["area"] == 60).all())),
    "a column with a typo": (lambda: {**rows(), "aeg": rows()["age"]}, refuses("aeg", "Did you mean 'age'")),
    "NaN in a column": (lambda: seen(age=[50.0] * 7 + [NAN]), refuses("age", "row 7", "nan")),
    "infinity in a column": (lambda: seen(dose=[1.0] * 7 + [INF]), refuses("dose", "row 7", "inf")),
    "out of bounds": (lambda: seen(age=[50.0] * 7 + [200.0]), refuses("age", "row 7", "200")),
    "beyond float32": (lambda: seen(dose=np.full(N, 1e300)), refuses("dose", "1e+300")),
    "a column too short": (lambda: seen(age=[50.0] * 7), refuses("age", "7", "8")),
    "a column too long": (lambda: seen(age=[50.0] * 9), refuses("9", "8")),
    "an unknown level": (lambda: seen(sex=["female"] * 7 + ["mael"]), refuses("sex", "Did you mean 'male'")),
    "levels by name": (lambda: seen(sex=["female"] * 8), answers(lambda a: (a["sex"] == 0).all())),
    "a column of bool": (lambda: seen(age=torch.ones(N, dtype=torch.bool)), refuses("age", "bool")),
    "a complex column": (lambda: seen(age=torch.full((N,), 50 + 0j)), refuses("age", "complex")),
    "a sparse column": (
        lambda: seen(age=torch.full((N,), 50.0).to_sparse()),
        either(lambda a: (a["age"] == 50).all(), "age", "sparse"),
    ),
    "a float64 column": (lambda: seen(age=rows()["age"].double()), answers(lambda a: a["age"].dtype == torch.float32)),
    "a column of numpy": (
        lambda: seen(age=rows()["age"].numpy()),
        answers(lambda a: torch.equal(a["age"], rows()["age"])),
    ),
    "one number for all": (
        lambda: seen(age=50.0),
        answers(lambda a: (a["age"] == 50).all() and a["age"].shape == (N,)),
    ),
    "images of another size": (lambda: seen(x=torch.rand(N, 1, 8, 8)), refuses("x", "(1, 16, 16)")),
    "images in colour": (lambda: seen(x=torch.rand(N, 3, 16, 16)), refuses("x", "(1, 16, 16)")),
    "images with the channels last": (lambda: seen(x=torch.rand(N, 16, 16, 1)), refuses("x", "(1, 16, 16)")),
    "images without channels": (lambda: seen(x=torch.rand(N, 16, 16)), refuses("x", "(1, 16, 16)")),
    "images of 0 to 255": (lambda: seen(x=255 * rows()["x"]), refuses("x", "row 0", "[0, 1]")),
    "images of uint8": (
        lambda: seen(x=(255 * rows()["x"]).byte()),
        either(lambda a: (a.factual["x"] - rows()["x"]).abs().max() < 0.004, "x", "[0, 1]"),
    ),
    "images of bool": (lambda: seen(x=rows()["x"] > 0.5), either(lambda a: a["x"].dtype == torch.float32, "x", "bool")),
    "complex images": (lambda: seen(x=rows()["x"] + 0j), refuses("x", "complex")),
    "sparse images": (lambda: seen(x=rows()["x"].to_sparse()), either(lambda a: a["x"].shape[0] == N, "x", "sparse")),
    "float16 images": (lambda: seen(x=rows()["x"].half()), answers(lambda a: a["x"].dtype == torch.float32)),
    "float64 images": (lambda: seen(x=rows()["x"].double()), answers(lambda a: a["x"].dtype == torch.float32)),
    "images of numpy": (lambda: seen(x=rows()["x"].numpy()), answers(lambda a: a["x"].dtype == torch.float32)),
    "images in other memory order": (
        lambda: seen(x=rows()["x"].to(memory_format=torch.channels_last)),
        answers(lambda a: torch.allclose(a["x"], ask(area=60.0)["x"], atol=1e-5)),
    ),
    "a pixel that is NaN": (lambda: seen(x=with_pixel(NAN)), refuses("x", "row 3", "nan")),
    "a pixel out of bounds": (lambda: seen(x=with_pixel(1.5)), refuses("x", "row 3", "1.5")),
    "a black image, of which nothing is read": (
        lambda: seen(x=torch.zeros(N, 1, 16, 16), area=None),
        answers(lambda a: (a["area"] == 60).all()),
    ),
    "no rows": (lambda: {k: v[:0] for k, v in rows().items()}, answers(lambda a: a["x"].shape == (0, 1, 16, 16))),
    "no rows, with one number for all": (
        lambda: {k: v[:0] for k, v in rows().items()} | {"age": 50.0},
        answers(lambda a: a["x"].shape == (0, 1, 16, 16)),
    ),
    "one row": (lambda: {k: v[:1] for k, v in rows().items()}, answers(lambda a: a["x"].shape == (1, 1, 16, 16))),
    "an item": (item, answers(lambda a: a["x"].shape == (1, 16, 16) and a["area"].ndim == 0)),
    "a table": (lambda: ci.Table(Disc, rows()), answers(lambda a: a["x"].shape[0] == N)),
    "an answer": (lambda: ask(area=50.0), answers(lambda a: a["x"].shape[0] == N)),
    "what was abducted": (lambda: model().abduct(rows()), answers(lambda a: torch.equal(a["x"], ask(area=60.0)["x"]))),
    "what another model abducted": (lambda: world.other().abduct(rows()), refuses("another model")),
    "what a model of another graph abducted": (
        lambda: numbers().abduct({k: rows()[k] for k in ("age", "sex", "dose")}),
        refuses("another model"),
    ),
}


def same(left: Any, right: Any) -> bool:
    """Whether two answers are alike, to rounding."""
    return all(torch.allclose(left[name].float(), right[name].float(), atol=1e-5, rtol=1e-5) for name in left)


def alone(of: Callable[[], Any], **asked: Any) -> bool:
    """Whether each item is answered alone as in its batch."""
    together = ask(of=of, **asked)
    each = [ask({k: v[i : i + 1] for k, v in rows().items()}, of=of, **asked) for i in range(N)]
    return all(
        torch.allclose(torch.cat([one[name] for one in each]).float(), together[name].float(), atol=1e-4)
        for name in together
    )


def shuffled(of: Callable[[], Any], **asked: Any) -> bool:
    """Whether the order of items plays no part."""
    order = torch.randperm(N, generator=torch.Generator().manual_seed(1))
    mixed = ask({k: v[order] for k, v in rows().items()}, of=of, **asked)
    whole = ask(of=of, **asked)
    return all(torch.allclose(mixed[name].float(), whole[name][order].float(), atol=1e-4) for name in whole)


def threaded(of: Callable[[], Any], **asked: Any) -> bool:
    """Whether four threads get what one gets, again and again."""
    whole, wrong = ask(of=of, **asked), []

    def work() -> None:
        for _ in range(5):
            if not same(ask(of=of, **asked), whole):
                wrong.append(1)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return not wrong


def beside_others(of: Callable[[], Any], **asked: Any) -> bool:
    """Whether an answer neither reads nor changes the global random state."""
    torch.manual_seed(1)
    first, state = ask(of=of, **asked), torch.get_rng_state()
    torch.manual_seed(2)
    second = ask(of=of, **asked)
    torch.manual_seed(1)
    return same(first, second) and torch.equal(state, torch.get_rng_state())


def again(of: Callable[[], Any], **asked: Any) -> bool:
    """Whether the same question has the same answer, and another seed another."""
    first, second, third = (ask(of=of, seed=seed, **asked) for seed in (0, 0, 1))
    return all(torch.equal(first[name], second[name]) for name in first) and not torch.equal(first["x"], third["x"])


def identity(of: Callable[[], Any]) -> bool:
    """Whether asking for nothing changes nothing."""
    return all(torch.equal(ask(of=of)[name], value) for name, value in rows().items())


def as_seen(of: Callable[[], Any]) -> bool:
    """Whether setting what is the case changes nothing."""
    return same(ask(of=of, area=rows()["area"], sex=rows()["sex"]), rows())


def untouched(of: Callable[[], Any]) -> bool:
    """Whether what is no effect of what is set keeps its value exactly."""
    answer = ask(of=of, area=60.0)
    return all(torch.equal(answer[name], rows()[name]) for name in ("age", "sex", "dose"))


def detached(of: Callable[[], Any]) -> bool:
    """Whether writing into an answer leaves what was given as it was."""
    given = rows()
    before = {name: value.clone() for name, value in given.items()}
    answer = of().do(given, area=60.0)
    for found in (*answer.values(), *answer.factual.values(), *answer.action.values()):
        found.zero_()
    return all(torch.equal(given[name], value) for name, value in before.items())


def kept_apart(of: Callable[[], Any]) -> bool:
    """Whether writing into what was given leaves an answer as it was."""
    given, area = rows(), torch.full((N,), 60.0)
    answer = of().do(given, area=area)
    before = {name: value.clone() for name, value in answer.items()}
    area.zero_()
    for value in given.values():
        value.zero_()
    return all(torch.equal(answer[name], value) for name, value in before.items())


def abducted_apart(of: Callable[[], Any]) -> bool:
    """Whether writing into what was given leaves what was abducted as it was."""
    given, expected = rows(), ask(of=of, area=60.0)
    factual = of().abduct(given)
    for value in given.values():
        value.zero_()
    return same(ask(factual, of=of, area=60.0), expected)


def gradient_free(of: Callable[[], Any]) -> bool:
    """Whether an answer holds no graph of gradients."""
    return not any(value.requires_grad for value in ask(of=of, area=60.0).values())


def usable_twice(of: Callable[[], Any]) -> bool:
    """Whether a question that was refused leaves the model as it was."""
    before = ask(of=of, area=60.0)
    for wrong in ({"area": NAN}, {"aera": 1.0}, {"sex": "mael"}):
        with suppress(ValueError, TypeError):
            ask(of=of, **wrong)
    return same(ask(of=of, area=60.0), before)


LAWS: dict[str, Callable[..., bool]] = {
    "asking for nothing changes nothing": identity,
    "setting what is the case changes nothing": as_seen,
    "what is no effect keeps its value": untouched,
    "writing into an answer leaves the data as they were": detached,
    "writing into the data leaves an answer as it was": kept_apart,
    "writing into the data leaves what was abducted as it was": abducted_apart,
    "answers hold no gradients": gradient_free,
    "a question that was refused leaves the model as it was": usable_twice,
    "each item alone is answered as in its batch": partial(alone, area=60.0),
    "each item alone is answered as in its batch, effects of sex": partial(alone, sex="male"),
    "the order of items plays no part": partial(shuffled, area=60.0),
    "four threads get what one gets": partial(threaded, area=60.0),
    "four threads get what one gets, effects of sex": partial(threaded, sex="male"),
    "the global random state plays no part, and is left as it is": partial(beside_others, area=60.0),
    "the same seed, the same answer; another, another": partial(again, area=60.0),
}


def untrained() -> Any:
    """A model that was never fitted."""
    return world.compiled()


def in_half() -> Any:
    """A model in half precision."""
    return world.as_if_fitted(world.compiled(), rows(32)).half()


def in_double() -> Any:
    """A model in double precision."""
    return world.as_if_fitted(world.compiled(), rows(32)).double()


def with_doubles(run: Callable[[], Any]) -> Any:
    """What `run` gives where torch makes doubles by default."""
    torch.set_default_dtype(torch.float64)
    return run()


def fresh() -> Any:
    """A model that is made anew."""
    return world.as_if_fitted(world.compiled(), rows(32))


RELATIVE: dict[str, tuple[Callable[[], Any], Right]] = {
    "scaled by NaN": (lambda: ci.scale(NAN), refuses("factor", "nan")),
    "scaled by infinity": (lambda: ci.scale(INF), refuses("factor", "inf")),
    "scaled by a text": (lambda: ci.scale("half"), refuses("factor", "half")),
    "scaled by nothing": (lambda: ci.scale(), refuses("factor")),
    "scaled by a tensor": (lambda: ci.scale(torch.ones(8)), refuses("factor")),
    "shifted by NaN": (lambda: ci.shift(NAN), refuses("by", "nan")),
    "shifted by a text": (lambda: ci.shift("ten"), refuses("by", "ten")),
    "an area scaled by -1": (lambda: ask(area=ci.scale(-1)), refuses("area")),
    "an area scaled by 100": (lambda: ask(area=ci.scale(100)), refuses("area", "256")),
    "an age shifted out of bounds": (lambda: ask(age=ci.shift(100)), refuses("age", "110")),
    "a dose scaled beyond float32": (lambda: ask(dose=ci.scale(1e39)), refuses("dose")),
    "a level that is scaled": (lambda: ask(sex=ci.scale(2.0)), refuses("sex")),
    "a level that is shifted": (lambda: ask(sex=ci.shift(0.5)), refuses("sex")),
    "an image that is scaled": (lambda: ask(x=ci.scale(3.0)), refuses("x")),
    "a function to a text": (lambda: ask(area=lambda area: "large"), refuses("area", "large")),
    "a function to nothing": (lambda: ask(area=lambda area: None), refuses("area")),
    "a function to NaN": (lambda: ask(area=lambda area: area * NAN), refuses("area", "nan")),
    "a function to fewer values": (lambda: ask(area=lambda area: area[:3]), refuses("area", "3", "8")),
    "a function that changes what it is given": (
        lambda: ask(area=lambda area: area.zero_() + 60.0),
        answers(lambda a: torch.equal(a.factual["area"], rows()["area"])),
    ),
    "a function of no arguments": (lambda: ask(area=lambda: 60.0), refuses("argument")),
    "a class for a function": (lambda: ask(area=ci.Continuous), refuses()),
    "half of each": (lambda: ask(area=ci.scale(0.5)), answers(lambda a: same(a, {**a, "area": rows()["area"] / 2}))),
    "ten more of each": (
        lambda: ask(area=ci.shift(10)),
        answers(lambda a: same(a, {**a, "area": rows()["area"] + 10})),
    ),
}

STATES: dict[str, tuple[Callable[[], Any], Right]] = {
    "a model that was never fitted": (lambda: untrained().do(rows(), area=60.0), refuses("x", "fit")),
    "a model that was never fitted, asked for nothing": (
        lambda: untrained().do(rows()),
        answers(lambda a: same(a, rows())),
    ),
    "a model in half precision": (
        lambda: in_half().do(rows(), area=60.0),
        either(lambda a: a["x"].isfinite().all() and a["x"].dtype == torch.float32, "float"),
    ),
    "a model in double precision": (
        lambda: in_double().do(rows(), area=60.0),
        either(lambda a: a["x"].isfinite().all(), "float"),
    ),
    "torch makes doubles by default": (
        lambda: with_doubles(lambda: ask(area=60.0)),
        either(lambda a: a["area"].dtype == torch.float32 and a["x"].isfinite().all(), "float64"),
    ),
    "torch makes doubles by default, when it is compiled": (
        lambda: with_doubles(lambda: fresh().do(rows(), area=60.0)),
        either(lambda a: a["x"].dtype == torch.float32, "float64"),
    ),
    "within no_grad": (lambda: torch.no_grad()(ask)(area=60.0), answers()),
    "within inference mode": (lambda: torch.inference_mode()(ask)(area=60.0), answers()),
    "a model in training mode": (
        lambda: fresh().train().do(rows(), area=60.0),
        answers(lambda a: same(a, ask(area=60.0))),
    ),
    "a graph without images": (
        lambda: numbers().do({k: rows()[k] for k in ("age", "sex", "dose")}, age=50.0),
        answers(lambda a: (a["age"] == 50).all()),
    ),
    "an image of a graph without images": (lambda: numbers().do(rows()["x"]), refuses("image")),
}

UNUSUAL: dict[str, tuple[Callable[[], Any], Right]] = {
    "causes that never occurred together": (
        lambda: fitted_support().do(rows(), area=5.0),
        warns("area", "hardly", check=lambda a: (a["area"] == 5).all()),
    ),
    "the same, refused": (lambda: fitted_support().do(rows(), area=5.0, support="refuse"), refuses("area", "hardly")),
    "the same, allowed": (lambda: fitted_support().do(rows(), area=5.0, support="allow"), answers()),
    "usual causes": (
        lambda: fitted_support().do(rows(), area=ci.shift(0.5), support="refuse"),
        answers(lambda a: (a.support > 0).all()),
    ),
    "support='refused'": (
        lambda: fitted_support().do(rows(), area=60.0, support="refused"),
        refuses("Did you mean 'refuse'"),
    ),
    "support=None": (lambda: fitted_support().do(rows(), area=60.0, support=None), refuses("support")),
}


def fitted_support() -> Any:
    """A model that knows which causes occurred together."""
    made = fresh()
    from causalimg.support import Support

    made.supports = {"x": Support.of(made.graph, "x", rows(400))}
    return made


KINDS = {"an autoencoder": (model, ""), "a flow": (world.flow, "FlowMatching")}

CASES = [
    *(Case("do: a number", f"an area that is {k}", partial(ask, area=v), r) for k, (v, r) in NUMBERS.items()),
    *(Case("do: a number", f"a dose that is {k}", partial(ask, dose=v), r) for k, (v, r) in UNBOUNDED.items()),
    *(Case("do: a level", f"a sex that is {k}", partial(ask, sex=v), r) for k, (v, r) in LEVELS.items()),
    *(Case("do: names", k, partial(ask, **v), r) for k, (v, r) in NAMES.items()),
    *(Case("do: what was seen", k, partial(ask_about, make), right) for k, (make, right) in SEEN.items()),
    *(Case("do: relative", k, run, right) for k, (run, right) in RELATIVE.items()),
    *(Case("do: the model", k, run, right) for k, (run, right) in STATES.items()),
    *(Case("do: usual or not", k, run, right, "CausalModel.do.support") for k, (run, right) in UNUSUAL.items()),
    *(
        Case("do: laws", f"{kind}: {law}", partial(holds, of), answers(bool), needs)
        for kind, (of, needs) in KINDS.items()
        for law, holds in LAWS.items()
    ),
]
