"""What users give, and what becomes of it: numbers of every kind, precision, copies, and other processes."""

import copy
import pickle
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from functools import partial
from multiprocessing import get_context

import numpy as np
import pytest
import torch
from PIL import Image
from strategies import as_if_fitted

import causalimg as ci
from causalimg.data.normalise import Unsaved
from causalimg.data.preprocessing import preprocessing_of
from causalimg.values import columns

GRAPH = ci.Graph.of(
    age=ci.Continuous(bounds=(0, None)),
    dose=ci.Continuous(),
    sex=ci.Categorical(levels=("female", "m\u00e4nnlich")),
    x=ci.Image(parents=["age", "dose", "sex"], shape=(1, 8, 8)),
)
HVAE, FLOW = ci.HVAE(widths=(4, 4), latents=(0, 2)), ci.FlowMatching(widths=(8,), blocks=1)


def model_of(mechanism=HVAE):
    return as_if_fitted(ci.compile(GRAPH, x=mechanism))


def seen(n=4):
    draw = torch.Generator().manual_seed(0)
    drawn = {"age": 50 * torch.rand(n, generator=draw), "dose": torch.randn(n, generator=draw)}
    return drawn | {"sex": torch.arange(n) % 2, "x": torch.rand(n, 1, 8, 8, generator=draw)}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("age", True),
        ("age", torch.tensor([True, False])),
        ("dose", 1j),
        ("dose", torch.tensor([1 + 1j])),
        ("sex", 1 + 0j),
        ("sex", True),
        ("dose", None),
        ("dose", 10**400),
        ("dose", "5"),
        ("dose", [{"a": 1}]),
        ("dose", np.ma.array([1.0, 2.0], mask=[False, True])),
        ("dose", torch.empty(2, device="meta")),
        ("x", torch.zeros(1, 8, 8, dtype=torch.bool)),
    ],
)
def test_what_is_no_number_is_refused_by_name(name, value):
    with pytest.raises(TypeError, match=f"^{name}: ") as error:
        columns(GRAPH, {name: value})
    assert len(str(error.value)) < 200


@pytest.mark.parametrize("value", [1e39, -1e39, np.array([0.0, 1e39]), torch.tensor(1e39, dtype=torch.float64)])
def test_what_float32_does_not_hold_is_refused_with_its_number(value):
    with pytest.raises(ValueError, match=r"dose: -?1e\+39 is beyond what float32 holds"):
        columns(GRAPH, {"dose": value})


def test_what_is_infinite_is_refused():
    with pytest.raises(ValueError, match=r"dose, row 0: inf is not a number in \(-inf, inf\)"):
        columns(GRAPH, {"dose": float("inf")})


def test_sparse_tensors_and_numbers_of_any_width_are_read():
    for dense in (torch.tensor([0.0, 2.0]), torch.tensor([0, 2]), torch.tensor([0.0, 2.0], dtype=torch.float16)):
        for given in (dense, dense.to_sparse(), dense.numpy(), dense.tolist(), dense.double()):
            found = columns(GRAPH, {"age": given})[0]["age"]
            assert found.dtype == torch.float32
            assert found.tolist() == [0, 2]


def test_levels_are_the_same_however_unicode_writes_them():
    assert columns(GRAPH, {"sex": "ma\u0308nnlich"})[0]["sex"].item() == 1


@pytest.mark.parametrize("levels", [("", "a"), ("a ", "b"), ("a\u0308", "\u00e4")])
def test_levels_that_look_alike_or_like_nothing_are_refused(levels):
    with pytest.raises(ValueError, match=r"empty, or begins or ends with a blank|duplicate level"):
        ci.Categorical(levels=levels)


@pytest.mark.parametrize("mechanism", [HVAE, FLOW], ids=["HVAE", "FlowMatching"])
def test_writing_into_what_was_given_or_answered_changes_nothing_else(mechanism):
    model, given = model_of(mechanism), seen()
    before = {name: value.clone() for name, value in given.items()}
    target = torch.full((4,), 0.3)
    factual = model.abduct(given)
    asked = model.do(factual, dose=target)["x"].clone()
    answer = model.do(given, dose=target)
    for value in (*answer.values(), *answer.factual.values(), *answer.action.values()):
        value.fill_(1)
    assert target.tolist() == pytest.approx([0.3] * 4)
    for name, value in given.items():
        assert torch.equal(value, before[name])
        value.fill_(0)
    assert torch.equal(model.do(factual, dose=target)["x"], asked)


def test_a_function_may_change_what_it_is_given():
    given, model = seen(), model_of()
    answer = model.do(given, dose=lambda value: value.add_(1))
    assert torch.equal(answer.factual["dose"], given["dose"])
    assert torch.equal(answer["dose"], given["dose"] + 1)


@pytest.mark.parametrize("change", [torch.nn.Module.half, torch.nn.Module.double, torch.nn.Module.bfloat16])
@pytest.mark.parametrize(
    "ask",
    [
        lambda model: model.do(seen(), dose=1.0),
        lambda model: model.sample(2),
        lambda model: model.fit(seen()),
    ],
    ids=["do", "sample", "fit"],
)
def test_a_model_in_another_precision_says_so(change, ask):
    with pytest.raises(ValueError, match=r"weights are torch\.\w+: values are float32, call model\.float\(\)"):
        ask(change(model_of()))


def test_a_default_of_doubles_is_named():
    model = model_of()
    torch.set_default_dtype(torch.float64)
    try:
        for ask in (lambda: model.do(seen(), dose=1.0), lambda: ci.compile(GRAPH)):
            with pytest.raises(ValueError, match=r"call torch\.set_default_dtype\(torch\.float32\)"):
                ask()
    finally:
        torch.set_default_dtype(torch.float32)


@pytest.mark.parametrize("again", [copy.deepcopy, lambda one: pickle.loads(pickle.dumps(one))], ids=["copy", "pickle"])
@pytest.mark.parametrize("mechanism", [HVAE, FLOW], ids=["HVAE", "FlowMatching"])
def test_models_and_answers_are_copied_whole(again, mechanism):
    model = model_of(mechanism)
    answer = model.do(seen(), dose=1.0)
    assert torch.equal(again(answer)["x"], answer["x"])
    assert torch.equal(again(model).do(seen(), dose=1.0)["x"], answer["x"])
    assert torch.equal(again(ci.Ensemble([model])).do(seen(), dose=1.0)["x"], answer["x"])
    factual = model.abduct(seen())
    pair = again((model, factual))
    assert torch.equal(pair[0].do(pair[1], dose=1.0)["x"], answer["x"])


def halved(pixels):
    return pixels / 510


def scans(folder, normalise, n=4):
    """Images whose grey levels have no unit, each as bright as it likes."""
    folder.mkdir(exist_ok=True)
    draw = np.random.default_rng(0)
    for row in range(n):
        Image.fromarray(draw.integers(20 * row, 150, (8, 8)).astype(np.uint8)).save(folder / f"{row}.png")
    rows = [f"{row}.png,{40 + row},0.{row},female" for row in range(n)]
    (folder / "rows.csv").write_text("\n".join(["file,age,dose,sex", *rows]))
    return ci.read_table(GRAPH, folder / "rows.csv", normalise=normalise)


def fitted(table, val=None):
    model = ci.compile(GRAPH, x=HVAE)
    model.fit(table, val, **{name: ci.Recipe(steps=1, batch=2) for name in GRAPH})
    return model


@pytest.mark.filterwarnings("ignore:the image hardly follows:UserWarning")
@pytest.mark.parametrize("normalise", [None, ci.Percentile(5, 95)], ids=["none", "Percentile"])
def test_a_model_reads_images_as_those_that_it_was_fitted_to(tmp_path, normalise):
    table = scans(tmp_path, normalise)
    fitted(table).save(tmp_path / "model")
    again = ci.CausalModel.load(tmp_path / "model")
    assert again.preprocessing == ci.Preprocessing(normalise=normalise)
    for row in range(4):
        assert torch.equal(again.read_image(tmp_path / f"{row}.png"), table["x"][row])


def test_what_no_file_holds_is_named_and_given(tmp_path):
    table = scans(tmp_path, halved)
    fitted(table).save(tmp_path / "model")
    again = ci.CausalModel.load(tmp_path / "model")
    again.save(tmp_path / "again")
    with pytest.raises(ValueError, match=r"normalised by test_given\.halved: .*model\.preprocessing = "):
        ci.CausalModel.load(tmp_path / "again").read_image(tmp_path / "0.png")
    again.preprocessing = ci.Preprocessing(normalise=halved)
    assert torch.equal(again.read_image(tmp_path / "0.png"), table["x"][0])


def test_rows_that_were_normalised_in_two_ways_are_refused(tmp_path):
    with pytest.raises(ValueError, match="normalised in different ways"):
        fitted(scans(tmp_path, ci.Percentile()), scans(tmp_path, None))


def read_by(table, normalise):
    return replace(table, preprocessing=ci.Preprocessing(normalise=normalise))


def darker(by):
    return lambda pixels: pixels / by


def by_share(pixels, share):
    return pixels / 255 * share


SAME = [
    (ci.Percentile(5, 95), ci.Percentile(5, 95)),
    (halved, halved),
    (darker(510), darker(510)),
    (partial(by_share, share=0.5), partial(by_share, share=0.5)),
    (Unsaved("test_given.halved"), halved),
]
OTHERS = [
    (ci.Percentile(5, 95), ci.Percentile(5, 90)),
    (lambda pixels: pixels / 255, lambda pixels: pixels / 510),
    (darker(510), darker(255)),
    (partial(by_share, share=0.5), partial(by_share, share=0.25)),
    (halved, partial(by_share, share=0.5)),
    (Unsaved("elsewhere.halved"), halved),
]


@pytest.mark.parametrize(("one", "other"), SAME)
def test_functions_that_do_the_same_are_the_same(tmp_path, one, other):
    table = scans(tmp_path, None)
    assert preprocessing_of(read_by(table, one), read_by(table, other)).normalise is one


@pytest.mark.parametrize(("one", "other"), OTHERS)
def test_functions_of_one_name_may_differ(tmp_path, one, other):
    table = scans(tmp_path, None)
    with pytest.raises(ValueError, match="normalised in different ways"):
        preprocessing_of(read_by(table, one), {"x": table["x"]}, read_by(table, other))


@pytest.mark.filterwarnings("ignore:the image hardly follows:UserWarning")
def test_fine_tuning_takes_images_that_were_normalised_as_those_of_fit(tmp_path):
    model = fitted(scans(tmp_path, ci.Percentile()))
    with pytest.raises(ValueError, match="normalised in different ways"):
        model.finetune(scans(tmp_path, None), guidance=[ci.Plausibility()])


def answered(model, given):
    """In another process."""
    torch.set_num_threads(1)
    return model.do(given, dose=1.0)["x"].numpy()


def test_another_process_answers_the_same():
    model = model_of()
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        there = pool.submit(answered, model, seen()).result(timeout=120)
    assert torch.allclose(torch.from_numpy(there), model.do(seen(), dose=1.0)["x"], atol=1e-6)
