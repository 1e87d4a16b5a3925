"""Every form in which users hold images and facts gives the same answer, to the bit, wherever it is asked."""

import copy
from functools import cache

import numpy as np
import pandas as pd
import PIL.Image
import pytest
import torch
from strategies import as_if_fitted

import causalimg as ci
from causalimg.given import as_columns

GRAPH = ci.Graph.of(
    age=ci.Continuous(),
    sex=ci.Categorical(levels=("female", "male")),
    area=ci.Continuous(unit="px", parents=["age"], measured=ci.Area("lv")),
    x=ci.Image(parents=["sex", "area"], shape=(1, 8, 8), bounds=(-1, 1)),
)
PIXELS = np.random.default_rng(0).integers(0, 256, (3, 8, 8)).astype(np.uint8)
FACTS = {"age": [40.0, 50.0, 61.5], "sex": ["male", "female", "male"], "area": [20.0, 30.0, 41.0]}
VALUES = torch.from_numpy(2 * (PIXELS.astype(np.float64) / 255) - 1).float()[:, None]


class Luminance(ci.Reader):
    """The area of what is bright."""

    def can_read(self, graph):
        return ("area",)

    def read(self, images, graph, names, *, soft=False):
        return {"area": images.clamp(min=0).sum((1, 2, 3))}


HVAE, FLOW = ci.HVAE(widths=(4,), latents=(2,), embedding=4), ci.FlowMatching(widths=(8,), blocks=1, steps=2)


@cache
def made(mechanism=HVAE):
    return as_if_fitted(ci.compile(GRAPH, Luminance(), x=mechanism))


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Three files, as paths."""
    folder = tmp_path_factory.mktemp("files")
    for i, picture in enumerate(PIXELS):
        PIL.Image.fromarray(picture).save(folder / f"{i}.png")
    return [folder / f"{i}.png" for i in range(3)]


BATCHES = {
    "uint8 tensor": lambda files: torch.from_numpy(PIXELS)[:, None],
    "uint16 array": lambda files: PIXELS[:, None].astype(np.uint16) * 257,
    "uint16 array (n, H, W)": lambda files: PIXELS.astype(np.uint16) * 257,
    "float array": lambda files: VALUES.numpy(),
    "float64 array": lambda files: VALUES.double().numpy(),
    "floats, channels last": lambda files: VALUES.permute(0, 2, 3, 1).numpy(),
    "array (n, H, W)": lambda files: PIXELS,
    "array (n, C, H, W)": lambda files: PIXELS[:, None],
    "array (n, H, W, C)": lambda files: PIXELS[..., None],
    "lists of numbers": lambda files: VALUES.tolist(),
    "paths": lambda files: files,
    "texts": lambda files: list(map(str, files)),
    "array of texts": lambda files: np.array(list(map(str, files))),
    "pictures": lambda files: [PIL.Image.fromarray(one) for one in PIXELS],
    "arrays": lambda files: list(PIXELS),
    "tensors": lambda files: list(VALUES),
    "mixed": lambda files: (files[0], PIL.Image.fromarray(PIXELS[1]), PIXELS[2, ..., None]),
    "column of pandas": lambda files: pd.Series(map(str, files)),
}
SINGLES = {
    "path": lambda files: files[1],
    "text": lambda files: str(files[1]),
    "picture": lambda files: PIL.Image.open(files[1]),
    "uint8 tensor": lambda files: torch.from_numpy(PIXELS[1])[None],
    "array (H, W)": lambda files: PIXELS[1],
    "array (H, W, C)": lambda files: PIXELS[1][..., None],
    "array (C, H, W)": lambda files: PIXELS[1][None],
}


@pytest.mark.parametrize("form", BATCHES)
def test_images_in_every_form_are_the_same(form, files):
    made, single = as_columns(GRAPH, {"x": BATCHES[form](files)})
    assert torch.equal(made["x"], VALUES)
    assert not single
    if form != "column of pandas":  # alone it is taken for a row
        assert torch.equal(as_columns(GRAPH, BATCHES[form](files), alone=True)[0]["x"], VALUES)


@pytest.mark.parametrize("form", SINGLES)
def test_one_image_in_every_form_is_one_item(form, files):
    image = SINGLES[form](files)
    assert torch.equal(made().measure(image)["area"], made().measure(VALUES[1])["area"])
    answer = made().do({"age": 50.0, "sex": "female", "x": image}, area=60.0)
    again = made().do({"age": 50.0, "sex": "female", "x": VALUES[1]}, area=60.0)
    assert answer["x"].shape == (1, 8, 8)
    assert torch.equal(answer["x"], again["x"])


ROWS = {
    "mapping": lambda given: given,
    "DataFrame": lambda given: pd.DataFrame(given),
    "lists of a frame": lambda given: pd.DataFrame(given).to_dict("list"),
    "nullable frame": lambda given: pd.DataFrame(given).convert_dtypes(),
    "categories": lambda given: pd.DataFrame(given).astype({"sex": "category"}),
}


def asked(model, rows):
    answer = model.do(rows, area=[20.0, 30.0, 40.0])
    return {**answer, **{f"was {name}": value for name, value in answer.factual.items()}}


def learnt(model, rows):
    """What one step of training makes of the last numbers."""
    small = ci.compile(GRAPH, Luminance(), x=HVAE, age=ci.LinearGaussian(), area=ci.LinearGaussian())
    small.fit(rows, **{name: ci.Recipe(steps=1, batch=2) for name in GRAPH})
    small.finetune(rows, guidance=Luminance(), recipe=ci.Recipe(steps=1, batch=2))
    return {name: value for name, value in small.state_dict().items() if value.numel()}


def scored(model, rows):
    answer = ci.Conformal(model, rows, Luminance(), particles=2).do(rows, area=30.0)
    return dict(enumerate(answer.interval("area", level=0.5)))


ENTRIES = {
    "do": asked,
    "abduct": lambda model, rows: model.abduct(rows).values,
    "measure": lambda model, rows: model.measure(rows),
    "complete": lambda model, rows: model.complete(rows),
    "effects": lambda model, rows: dict(model.effects(rows, area=ci.scale(1.5)).total),
    "ensemble": lambda model, rows: dict(ci.Ensemble([model, model]).do(rows, age=30.0)),
    "guided": lambda model, rows: dict(ci.Guided(made(FLOW), Luminance()).do(rows, area=30.0)),
    "conformal": scored,
    "sensitivity": lambda model, rows: {n: torch.tensor(one.change) for n, one in model.sensitivity(rows).items()},
    "effectiveness": lambda model, rows: {
        "error": torch.tensor(ci.effectiveness(model, rows, Luminance(), allow_weak=True)["area"].error.value)
    },
    "fit and finetune": learnt,
}
TRAINING = "fit and finetune"  # takes its time
WHOLE = ("conformal", "effectiveness")
"""Entries that need a value of every variable; the others read the area off the images."""


@cache
def expected(entry):
    """The answer about plain tensors."""
    plain = {"age": torch.tensor(FACTS["age"]), "sex": torch.tensor([1, 0, 1]), "x": VALUES}
    return ENTRIES[entry](made(), plain | ({"area": torch.tensor(FACTS["area"])} if entry in WHOLE else {}))


@pytest.mark.filterwarnings("ignore:the image hardly follows:UserWarning", "ignore:the guide .* reads:UserWarning")
@pytest.mark.parametrize(
    ("form", "entry"), [(form, entry) for form in ROWS for entry in ENTRIES if entry != TRAINING or form == "DataFrame"]
)
def test_rows_in_every_form_give_the_same_answer_everywhere(form, entry, files):
    facts = {name: FACTS[name] for name in FACTS if name != "area" or entry in WHOLE}
    answer = ENTRIES[entry](made(), ROWS[form]({**facts, "x": list(map(str, files))}))
    assert answer.keys() == expected(entry).keys()
    for name, value in answer.items():
        assert torch.equal(value, expected(entry)[name])


def test_a_row_is_one_item(files):
    frame = pd.DataFrame({**FACTS, "x": files})
    row = frame.iloc[1]
    plain = {"age": 50.0, "sex": 0, "area": 30.0, "x": VALUES[1]}
    for one in (row, row.to_dict()):
        assert torch.equal(made().do(one, area=60.0)["x"], made().do(plain, area=60.0)["x"])
        assert made().do(one, area=60.0)["area"].ndim == 0


def test_what_is_set_comes_in_every_form_too():
    rows = {"age": FACTS["age"], "sex": [0, 0, 1], "x": VALUES}
    frame = pd.DataFrame({"sex": ["male", "male", "female"], "area": [1.0, 2.0, 3.0]})
    plain = made().do(rows, sex=[1, 1, 0], area=[1.0, 2.0, 3.0])
    assert torch.equal(made().do(rows, sex=frame["sex"], area=frame["area"])["x"], plain["x"])
    assert torch.equal(made().do(rows, sex=frame["sex"].to_numpy(), area=frame["area"].to_numpy())["x"], plain["x"])
    assert torch.equal(made().sample(3, do=frame)["x"], made().sample(3, do={"sex": [1, 1, 0], "area": [1, 2, 3]})["x"])


def test_columns_that_are_no_variables_are_left_out_and_named(files):
    frame = pd.DataFrame({**FACTS, "x": files, "patient": [1, 2, 3], "are": [0.0, 0.0, 0.0]})
    with pytest.warns(UserWarning, match="left out: patient, are. Select what is meant") as said:
        answer = made().complete(frame)
    assert len(said) == 1
    assert answer.keys() == set(GRAPH)
    with pytest.warns(UserWarning, match="Was 'aera' meant to be 'area'"):
        made().complete(frame.rename(columns={"area": "aera"}).drop(columns=["patient", "are"]))
    with pytest.raises(ValueError, match="unknown variable 'patient'. .*Known: age"):
        made().do(frame[["patient"]], area=1.0)


def test_a_path_is_read_as_those_that_the_model_was_fitted_to(files):
    model = copy.deepcopy(made())
    model.preprocessing = ci.Preprocessing(normalise=ci.Percentile(10, 90))
    read = model.read_image(files[0])
    assert not torch.equal(read, VALUES[0])
    for one in (str(files[0]), PIL.Image.open(files[0]), PIXELS[0], torch.from_numpy(PIXELS[0])[None]):
        assert torch.equal(model.abduct({"age": 1.0, "sex": 0, "x": one}).values["x"][0], read)
    assert torch.equal(model.abduct({"age": 1.0, "sex": 0, "x": VALUES[0]}).values["x"][0], VALUES[0])


def test_pictures_of_another_size_become_that_of_the_graph():
    large = np.kron(PIXELS[0], np.ones((2, 2), np.uint8))
    for one in (large, large[..., None], large[None], PIL.Image.fromarray(large)):
        assert torch.allclose(as_columns(GRAPH, {"x": one})[0]["x"][0], VALUES[0], atol=1e-6)


def test_colours_lie_first_or_last():
    graph = ci.Graph.of(x=ci.Image(shape=(3, 8, 8)))
    pixels = np.random.default_rng(1).integers(0, 256, (8, 8, 3)).astype(np.uint8)
    last, first = (as_columns(graph, {"x": one})[0]["x"] for one in (pixels, np.moveaxis(pixels, -1, 0)))
    assert torch.equal(last, first)
    assert torch.equal(last[0, :, 2, 5], torch.from_numpy(pixels[2, 5] / 255.0).float())


SLIPS = {
    "ambiguous": (lambda files: np.zeros((1, 8, 3)), ValueError, r"x: an array of shape \(1, 8, 3\) may be \(height"),
    "transparent": (lambda files: np.zeros((8, 8, 4)), ValueError, r"x: an array of shape \(8, 8, 4\), expected"),
    "greys as floats": (
        lambda files: PIXELS.astype(float),
        ValueError,
        "x, row 0: pixels from .* expected a number in",
    ),
    "greys as int64": (lambda files: PIXELS.astype(int), ValueError, "x, row 0: pixels are int64, expected uint8"),
    "truth values": (lambda files: PIXELS > 9, TypeError, "x: expected a number"),
    "no such file": (lambda files: str(files[0]).replace("0.png", "0.jpg"), FileNotFoundError, "Did you mean '0.png'"),
    "no such folder": (lambda files: "nowhere/0.png", ValueError, "x: no such folder"),
    "empty cell": (
        lambda files: [str(files[0]), float("nan")],
        TypeError,
        "x, item 1: expected an image, got float nan",
    ),
    "a batch in a list": (lambda files: [VALUES, VALUES], ValueError, "x, item 0: expected one image, got 3"),
    "a table": (lambda files: ci.Table(GRAPH, {"x": VALUES}), TypeError, "x: expected an image, .* got Table"),
    "another size": (lambda files: VALUES[..., :4], ValueError, r"x: expected shape \(1, 8, 8\)"),
    "bytes of another size": (lambda files: torch.from_numpy(PIXELS), ValueError, r"x: expected shape \(1, 8, 8\)"),
}


@pytest.mark.parametrize("slip", SLIPS)
def test_what_is_no_image_is_said_in_one_line(slip, files):
    give, kind, message = SLIPS[slip]
    with pytest.raises(kind, match=message) as error:
        as_columns(GRAPH, {"x": give(files)})
    assert "\n" not in str(error.value)
