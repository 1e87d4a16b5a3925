"""A study in small: the same models, readers trained once, and what a folder holds is not trained again."""

from dataclasses import replace

import pytest
import torch
from strategies import as_if_fitted

import causalimg as ci
import causalimg.fit as fitting
from causalimg.data.phantoms import Sample
from causalimg.readers.reader import fingerprint
from causalimg.study import METHODS
from causalimg.study.record import check_folder, record_of
from causalimg.study.trainer import Trainer

pytestmark = pytest.mark.filterwarnings("ignore:the guide .* reads:UserWarning")  # two steps teach it nothing

PLAN = ci.Plan(
    fit=ci.Recipe(steps=2, batch=8),
    tuning=ci.Recipe(steps=2, batch=8),
    readers=ci.Recipe(steps=2, batch=8),
    image=ci.Edited(base=ci.HVAE(widths=(4, 4, 4, 4), embedding=4), edit=ci.Deform(widths=(4, 4))),
)

TUNED = (*METHODS, "classifier")


@pytest.fixture(scope="module")
def study():
    return ci.Study.of_phantom(ci.phantoms.Heart(size=32), patients=24, held_out=10)


def test_methods_are_compared_and_what_a_folder_holds_is_not_trained_again(study, tmp_path):
    """One test, since the study that it is about takes a minute."""
    comparison = ci.compare_guidance(study, tmp_path, methods=TUNED, seeds=[0, 1], plan=PLAN)
    check_judged_alike_by_judges_that_did_not_guide(comparison, tmp_path)
    check_page_speaks_of_no_patients_and_says_what_the_judge_cannot_tell(tmp_path)
    check_begun_alike_and_guided_by_others(tmp_path)
    check_nothing_is_trained_again_and_another_plan_is_refused(study, tmp_path)


def check_judged_alike_by_judges_that_did_not_guide(comparison, out):
    assert set(comparison.reports) == set(TUNED)
    for method, report in comparison.reports.items():
        assert report.effectiveness.models == 2
        assert not report.effectiveness.guided, method
    assert {"sex", "lv_area", "wall_area"} == set(comparison["none"].effectiveness.effects)
    assert (out / "comparison.html").exists()


def check_page_speaks_of_no_patients_and_says_what_the_judge_cannot_tell(out):
    page = (out / "comparison.md").read_text()
    assert "(patients)" not in page
    assert "10 held-out items (every item counts by itself)" in page
    assert "**The judge reads " in page  # trained for two steps
    assert "no better than by always saying the same" in page


def check_begun_alike_and_guided_by_others(out):
    models = {method: ci.CausalModel.load(out / f"{method}_0") for method in TUNED}
    encoders = [model.mechanisms["x"].base.state_dict() for model in models.values()]
    assert all(torch.equal(each[key], value) for each in encoders for key, value in encoders[0].items())
    assert [len(model.guided_by) for model in models.values()] == [0, 1, 1, 1]
    assert len({tuple(model.guided_by) for model in models.values()}) == 4


def check_nothing_is_trained_again_and_another_plan_is_refused(study, out):
    times = {path: path.stat().st_mtime_ns for path in out.rglob("*.safetensors")}
    ci.compare_guidance(study, out, methods=["none", "segmentor"], seeds=[1], plan=PLAN)
    assert {path: path.stat().st_mtime_ns for path in out.rglob("*.safetensors")} == times
    with pytest.raises(ValueError, match="holds a study with another plan"):
        ci.compare_guidance(study, out, plan=ci.Plan.of_length(3))


def test_a_guide_at_every_question_is_a_method_for_a_mechanism_with_weights(study, tmp_path):
    plan = PLAN.model_copy(update={"image": ci.FlowMatching(widths=(4, 4), embedding=4, steps=1)})
    methods = ["none", "segmentor-per-question"]
    assert set(ci.compare_guidance(study, tmp_path, methods=methods, plan=plan).reports) == set(methods)
    assert {path.name for path in tmp_path.iterdir() if path.is_dir()} == {"none_0", "guide", "judge"}
    trainer = Trainer(study, tmp_path, plan)
    none, asked = (trainer.answering(method, 0) for method in methods)
    assert asked.guided_by == [*none.guided_by, fingerprint(trainer.segmentor("guide", guides=True))]
    with pytest.raises(ValueError, match="Guidable"):
        ci.compare_guidance(study, tmp_path / "edited", methods=["segmentor-per-question"], plan=PLAN)


def test_a_guide_may_fine_tune_and_be_asked_too(study, tmp_path):
    plan = PLAN.model_copy(update={"image": ci.FlowMatching(widths=(4, 4), embedding=4, steps=1)})
    trainer = Trainer(study, tmp_path, plan)
    both, tuned = (trainer.answering(method, 0) for method in ("segmentor-both", "segmentor"))
    guide = fingerprint(trainer.segmentor("guide", guides=True))
    assert (tuned.guided_by, both.guided_by) == ([guide], [guide, guide])
    assert torch.equal(both.mechanisms["x"].tuned.mix.weight, tuned.mechanisms["x"].tuned.mix.weight)


def test_a_plan_may_hold_fine_tuning_to_what_was_fitted(study, tmp_path):
    image = ci.FlowMatching(widths=(4, 4), embedding=4, steps=1)
    trainer = Trainer(study, tmp_path, PLAN.model_copy(update={"image": image, "plausibility": 3.0}))
    trainer.model("segmentor", 0)
    assert "plausibility" in (tmp_path / "segmentor_0.jsonl").read_text()
    assert ci.Plan.of_flow(30).plausibility > 0


def test_scalars_get_the_mechanisms_of_the_plan_and_what_cannot_be_built_is_said_before_anything_is_trained(
    study, tmp_path
):
    plan = PLAN.model_copy(update={"scalars": {"lv_area": ci.ConditionalFlow(bins=4)}})
    assert isinstance(plan.compiled(study.graph).mechanisms["lv_area"], ci.ConditionalFlow)
    assert record_of(study, plan)["plan"]["scalars"]["lv_area"]["bins"] == 4
    assert ci.Plan(scalars=plan.model_dump(mode="json")["scalars"]).scalars["lv_area"].bins == 4
    for wrong, message in (
        ({"lv_aera": ci.GumbelMax()}, "unknown scalar 'lv_aera'. Did you mean 'lv_area'?"),
        ({"x": ci.HVAE()}, "unknown scalar 'x'"),
        ({"lv_area": ci.LinearGaussian()}, "lv_area: LinearGaussian: Gaussian noise keeps to no bounds"),
    ):
        with pytest.raises(ValueError, match=message):
            ci.compare_guidance(study, tmp_path / "out", plan=plan.model_copy(update={"scalars": wrong}))
    assert not (tmp_path / "out").exists()


def test_a_first_look_judges_on_some_rows_with_their_groups(study):
    few = replace(study, groups=list("abcdefghij")).judged_on(4)
    assert few.groups == ["a", "e", "i"]
    with pytest.raises(ValueError, match="groups: expected one for each of 10 rows to judge on, got 3"):
        replace(study, groups=few.groups)
    assert torch.equal(few.test.values["x"], study.test.values["x"][::4])
    assert study.judged_on(4).groups is None


def tripled(values, names):
    """A sampler of interventions that is a user's function."""
    return ci.Permuted()({name: 3 * value for name, value in values.items()}, names)


def changed(study, part, column, mask=False):
    """`study` with one number, or one pixel of a mask, changed in `part`."""
    rows = getattr(study, part)
    values, masks = dict(rows.values), dict(rows.masks)
    columns = masks if mask else values
    columns[column] = columns[column].clone()
    columns[column].view(-1)[0] = ~columns[column].view(-1)[0] if mask else columns[column].view(-1)[0] + 1
    return replace(study, **{part: Sample(values, masks, rows.noise)})


def sampling(sampler):
    return PLAN.model_copy(update={"sampler": sampler})


def refused(message, study, out, plan=PLAN):
    before = {path: path.stat().st_mtime_ns for path in out.rglob("*")}
    with pytest.raises(ValueError, match=message):
        ci.compare_guidance(study, out, methods=["none"], plan=plan)
    assert {path: path.stat().st_mtime_ns for path in out.rglob("*")} == before


@pytest.fixture
def begun(study, tmp_path):
    """A folder in which a study has begun: it says which."""
    check_folder(tmp_path, study, PLAN)
    return tmp_path


def test_a_folder_of_other_data_is_refused_with_what_differs(study, begun):
    heart = ci.phantoms.Heart(size=32)
    refused("of other rows to train on \\(age, .*x, mask of lv", replace(study, train=heart.sample(24, seed=7)), begun)
    refused(
        "of other rows to train on \\(lv_area\\)\\. Choose another folder", changed(study, "train", "lv_area"), begun
    )
    refused("to choose weights by \\(mask of myo\\)", changed(study, "val", "myo", mask=True), begun)
    refused(
        "of another graph .* and of other rows to train on",
        ci.Study.of_phantom(ci.phantoms.Vessel(size=32), 12, 4),
        begun,
    )


def test_other_rows_to_judge_on_need_no_other_folder(study, begun):
    check_folder(begun, replace(study, test=ci.phantoms.Heart(size=32).sample(10, seed=9), groups=range(10)), PLAN)


def test_a_folder_of_another_sampler_is_refused(study, begun):
    refused("sampler.at_once: 1 there, 2 here", study, begun, sampling(ci.Permuted(at_once=2)))
    uniform = ci.Uniform(ranges={"lv_area": (500, 900)})
    refused("sampler.kind: 'Permuted' there, 'Uniform' here", study, begun, sampling(uniform))
    refused("sampler.code: None there, 'test_study.tripled' here", study, begun, sampling(tripled))


def test_a_study_with_a_sampler_that_is_a_function_is_not_gone_on_with(study, tmp_path):
    plan = sampling(tripled)
    check_folder(tmp_path, study, plan)  # as `compare_guidance` does before it trains
    refused("drawn by test_study.tripled: whether its code is still the same can't be known", study, tmp_path, plan)


def test_models_of_an_unknown_study_are_refused(study, tmp_path):
    as_if_fitted(ci.compile(study.graph, x=PLAN.image)).save(tmp_path / "none_0")
    refused("holds models, but no study.json", study, tmp_path)


def test_a_table_needs_outlines_and_is_split_by_patient_where_it_has_no_split(study):
    values, masks = study.train.values, study.train.masks
    patients = [f"p{i // 3}" for i in range(24)]
    with pytest.raises(ValueError, match="masks=.* and structures="):
        ci.Study.of_table(ci.Table(study.graph, values))
    parts = ci.Study.of_table(ci.Table(study.graph, values, masks, {"patient": patients}))
    assert len(parts.train.values["x"]) > len(parts.val.values["x"]) > 0
    assert set(parts.groups).isdisjoint(parts.train.extra["patient"])
    split = [("train", "val", "test")[i // 3 % 3] for i in range(24)]
    told = ci.Study.of_table(ci.Table(study.graph, values, masks, {"split": split, "patient": patients}))
    assert told.groups == [patient for patient, part in zip(patients, split, strict=True) if part == "test"]
    leaking = ci.Table(study.graph, values, masks, {"split": ["train", "val", "test"] * 8, "patient": patients})
    with pytest.raises(ci.TableError, match="one patient has the split 'test' and 'train' and 'val'"):
        ci.Study.of_table(leaking)


def test_a_table_without_patients_is_one_in_which_each_row_is_said_to_count_by_itself(study):
    values, masks = study.train.values, study.train.masks
    subjects = [f"s{i // 3}" for i in range(24)]
    split = [("train", "val", "test")[i // 3 % 3] for i in range(24)]
    for extra in ({"subject": subjects}, {"subject": subjects, "split": split}):
        table = ci.Table(study.graph, values, masks, extra)
        with pytest.raises(ValueError, match=r"unknown column of patients 'patient'.*Known: .*subject.*patient=None"):
            ci.Study.of_table(table)
        with pytest.raises(ValueError, match="Did you mean 'subject'"):
            ci.Study.of_table(table, patient="subjct")
        assert set(ci.Study.of_table(table, patient="subject").groups) <= set(subjects)
        alone = ci.Study.of_table(table, patient=None)
        assert alone.groups is None
        assert [len(part.values["x"]) for part in (alone.train, alone.val, alone.test)] in ([17, 3, 4], [9, 9, 6])


def test_a_recipe_of_a_plan_keeps_what_it_does_not_say_and_the_record_holds_all_of_it(study):
    plan = PLAN.model_copy(update={"image": ci.FlowMatching(widths=(4, 4), embedding=4)})
    assert plan.recipes["fit"] == ci.FlowMatching.recipe.model_copy(update={"steps": 2, "batch": 8})
    assert plan.recipes["readers"].lr == ci.Segmentor.recipe.lr
    recorded = record_of(study, plan)["plan"]
    assert (recorded["fit"]["clip"], recorded["tuning"]["warmup"]) == (1.0, ci.FlowMatching.tuning.warmup)


def test_classifier_guidance_needs_a_level_to_read(tmp_path):
    study = ci.Study.of_phantom(ci.phantoms.Vessel(size=32), patients=12, held_out=4)
    with pytest.raises(ValueError, match="x has no categorical cause"):
        ci.compare_guidance(study, tmp_path, methods=["classifier"], plan=PLAN)


def test_a_study_that_is_cut_short_goes_on_in_the_middle_of_a_fit(study, tmp_path, monkeypatch):
    whole = Trainer(study, tmp_path / "whole", PLAN).model("none", 0)
    fit_mechanism = fitting.fit_mechanism

    def killed(mechanism, name, *rest):
        if name == study.graph.images[0]:
            raise SystemExit
        return fit_mechanism(mechanism, name, *rest)

    monkeypatch.setattr(fitting, "fit_mechanism", killed)
    with pytest.raises(SystemExit):
        Trainer(study, tmp_path / "cut", PLAN).model("none", 0)
    assert (tmp_path / "cut" / "none_0" / "checkpoint").is_dir()
    monkeypatch.undo()
    again = Trainer(study, tmp_path / "cut", PLAN).model("none", 0)
    assert not (tmp_path / "cut" / "none_0" / "checkpoint").exists()
    assert all(torch.equal(value, again.state_dict()[name]) for name, value in whole.state_dict().items())
