"""The verdict: every sentence, on both sides of every limit, from numbers that are made up."""

import re

import pytest
import torch

import causalimg as ci
from causalimg.evaluation.effectiveness import Effect, Effectiveness
from causalimg.evaluation.page import STYLE, Finding, Mark, Section, markdown, page
from causalimg.evaluation.ranking import ranking
from causalimg.evaluation.statistics import NONE, Deviation, Estimate
from causalimg.evaluation.truth import Truth
from causalimg.evaluation.verdict import LIMITS, mark_of, percent, verdict

GOOD, BAD, OPEN = Mark


def sure(value):
    """An estimate that leaves no doubt."""
    return Estimate(value, value, value)


def effect(name="lv_area", **numbers):
    """An effect without fault, but for `numbers`."""
    known = {"error": 12.0, "floor": 10.0, "median_error": 8.0, "slope": 1.0, "change": 4.0, "outside": 0.15}
    known |= {key: numbers.pop(key) for key in list(numbers) if key in known}
    estimates = {key: value if isinstance(value, Estimate) else sure(value) for key, value in known.items()}
    drift = {other: one if isinstance(one, Estimate) else sure(one) for other, one in numbers.pop("drift", {}).items()}
    drift_mae = {other: sure(1.0) for other in drift if other != "sex"}
    target = torch.ones(3)
    return Effect(
        name,
        "mm2",
        target,
        target[None],
        drift=drift,
        drift_mae=drift_mae,
        mae=sure(1.0),
        floor_mae=sure(1.0),
        **estimates,
    )


def judged(*effects, guided=False, groups=40, **more):
    by_name = {one.name: one for one in effects or (effect(),)}
    return Effectiveness(by_name, "a segmentor of lv", guided, 80, groups, grouped=True, **more)


def told(*effects, null=None, truth=None, **more):
    """By column, the only finding of it."""
    return {one.column: (one.mark, one.text) for one in verdict(judged(*effects, **more), null or {}, truth or {})}


@pytest.mark.parametrize(
    ("numbers", "mark", "text"),
    [
        (
            {},
            GOOD,
            "Asked for lv_area, the answers miss by 12 % (median 8.0 %); the judge's own error is 10 %: as good as this judge "
            "can tell.",
        ),
        ({"error": 13.0}, GOOD, "as good as this judge can tell."),
        (
            {"error": 13.1},
            BAD,
            "Asked for lv_area, the answers miss by 13 % (median 8.0 %), 1.3 times the judge's own error of 10 %: the image "
            "does not reach what was asked.",
        ),
        ({"error": 24.0}, BAD, "2.4 times the judge's own error of 10 %"),
        ({"error": 1.0, "floor": 0.2}, GOOD, "more, but too little to matter."),
        ({"error": 1.01, "floor": 0.2}, BAD, "5.0 times the judge's own error of 0.2 %"),
        ({"error": 5.0, "floor": 0.0}, BAD, "far beyond the judge's own error of 0.0 %"),
        ({"error": Estimate(12, 9, 13.5)}, OPEN, "It may be 9.0 % to 14 %, good or not."),
        ({"error": Estimate(20, 12, 27)}, OPEN, "2.0 times the judge's own error of 10 %. It may be 12 % to 27 %"),
        ({"error": Estimate(12, 11, 12.5, (11.0, 14.0))}, OPEN, "It may be 11 % to 14 %"),
        ({"error": NONE}, OPEN, "there is no error in %"),
        (
            {"median_error": NONE, "slope": NONE, "error": 30.0},
            BAD,
            "30 % of the answers show another level, 3.0 times",
        ),
    ],
)
def test_the_error_is_held_against_the_judges_own(numbers, mark, text):
    found, said = told(effect(**numbers))["error"]
    assert found is mark
    assert text in said


@pytest.mark.parametrize(
    ("slope", "mark", "text"),
    [
        (0.0, BAD, "lv_area: the image ignores what is asked (calibration slope 0.00; 1 is as asked)."),
        (0.4, BAD, "follows less than half of what is asked (calibration slope 0.40"),
        (0.5, BAD, "goes only a part of the way"),
        (0.89, BAD, "goes only a part of the way"),
        (0.9, GOOD, "follows what is asked"),
        (1.1, GOOD, "follows what is asked"),
        (1.11, BAD, "goes farther than asked"),
        (Estimate(0.95, 0.8, 1.05), OPEN, "It may be 0.80 to 1.05, good or not."),
    ],
)
def test_the_slope_is_held_against_one(slope, mark, text):
    found, said = told(effect(slope=slope))["slope"]
    assert found is mark
    assert text in said


@pytest.mark.parametrize(
    ("drift", "null", "marks", "text"),
    [
        ({"rv_area": 5.0, "age": 1.0}, 0.0, [GOOD], "leaves the others alone: rv_area moves most, by 5.0 %."),
        (
            {"rv_area": 6.0, "age": 1.0},
            0.0,
            [BAD],
            "Asking for lv_area also moves rv_area by 6.0 %, which nobody asked for.",
        ),
        ({"rv_area": 6.0, "age": 9.0}, 0.0, [BAD, BAD], "also moves rv_area"),
        ({"rv_area": 6.0}, 6.0, [GOOD], "rv_area moves most"),  # as far as by grain alone
        ({"rv_area": 6.1}, 6.0, [BAD], "also moves rv_area"),
        ({"sex": 7.0}, 0.0, [BAD], "also changes sex in 7.0 % of the answers"),
        ({"rv_area": Estimate(4.0, 2.0, 6.0)}, 0.0, [OPEN], "It may be 2.0 % to 6.0 %"),
        ({"rv_area": NONE}, 0.0, [], ""),
        ({}, 0.0, [], ""),
    ],
)
def test_what_nobody_asked_about_is_to_stay(drift, null, marks, text):
    grain = {"rv_area": Deviation(sure(null))} if null else {}
    found = [one for one in verdict(judged(effect(drift=drift)), grain, {}) if one.column == "drift"]
    assert [one.mark for one in found] == marks
    assert text in "".join(one.text for one in found)


@pytest.mark.parametrize(
    ("outside", "change", "mark", "text"),
    [
        (0.15, 4.0, GOOD, "What isn't asked about stays: 85 % of the change for lv_area is inside or near"),
        (0.25, 4.0, GOOD, "75 % of the change"),
        (0.26, 4.0, BAD, "Much else changes: 74 % of the change"),
        (Estimate(0.2, 0.1, 0.3), 4.0, OPEN, "It may be 70 % to 90 %"),
        (0.0, 0.09, OPEN, "hardly changes the image, by 0.09 grey levels"),
        (0.0, 0.1, GOOD, "100 % of the change"),
    ],
)
def test_change_is_to_be_where_it_was_asked_for(outside, change, mark, text):
    found, said = told(effect(outside=outside, change=change))["locality"]
    assert found is mark
    assert text in said
    assert "locality" not in told(effect(outside=NONE))


@pytest.mark.parametrize(
    ("mine", "mark", "text"), [(9.9, GOOD, "nearer to the truth than"), (10.0, BAD, "no nearer to")]
)
def test_an_answer_is_to_be_nearer_to_the_truth_than_doing_nothing(mine, mark, text):
    truth = Truth(sure(1.0), sure(mine), sure(1.0), sure(1.0), sure(10.0), sure(1.0), {})
    found, said = told(truth={"lv_area": truth})["truth"]
    assert found is mark
    assert text in said


def test_a_weak_judge_tells_nothing_of_what_it_cannot_read():
    found = told(effect(drift={"rv_area": 50.0}), weak=("lv_area", "rv_area"))
    assert found.keys() == {"judge", "locality"}
    weak = verdict(judged(weak=("lv_area",)), {}, {})[0]
    assert weak.mark is OPEN
    assert weak.text.startswith("The judge is weak: it reads lv_area no better than by always saying the same")


def test_a_judge_that_guided_finds_nothing_good_and_what_it_finds_bad_is_bad():
    found = verdict(judged(effect(slope=0.2), guided=True), {}, {})
    assert {one.column: one.mark for one in found} == {"judge": OPEN, "error": OPEN, "slope": BAD, "locality": OPEN}
    assert found[1].text.endswith("(So says a judge that guided.)")


@pytest.mark.parametrize(("groups", "told_of"), [(9, True), (10, False)])
def test_few_patients_are_said(groups, told_of):
    assert ("sample" in told(groups=groups)) is told_of


def test_a_range_on_both_sides_of_a_limit_is_said_and_of_few_patients_that_they_are_few():
    wide = effect(error=Estimate(12, 9, 14), slope=Estimate(0.95, 0.8, 1.05))
    assert told(wide, groups=10)["error"][1].endswith("It may be 9.0 % to 14 %, good or not.")
    assert told(wide, groups=9)["error"][1].endswith("It may be 9.0 % to 14 %: 9 patients are too few to tell.")
    assert told(wide, groups=9, models=2)["slope"][1].endswith("9 patients and 2 trainings are too few to tell.")


def test_of_one_patient_nobody_can_tell():
    found = told(groups=1)
    assert found["sample"] == (
        OPEN,
        "Only 1 patient: the intervals are wide, and should be wider; too few to tell small differences.",
    )
    assert found["error"][0] is OPEN
    assert found["error"][1].endswith("Of 1 patient nobody can tell.")
    truth = Truth(sure(1.0), sure(9.9), sure(1.0), sure(1.0), sure(10.0), sure(1.0), {})
    assert told(groups=1, truth={"lv_area": truth})["truth"][0] is OPEN


def test_a_mark_needs_the_whole_interval_on_one_side():
    assert mark_of(Estimate(1, 0, 2), 0, 2, 5) is GOOD
    assert mark_of(Estimate(3, 2.1, 4), 0, 2, 5) is BAD
    assert mark_of(Estimate(3, 1.9, 4), 0, 2, 5) is OPEN
    assert mark_of(Estimate(1, 0, 2), 0, 2, 1) is OPEN


def test_numbers_are_said_as_a_reader_takes_them_in():
    assert [percent(value) for value in (0.04, 9.94, 9.96, 123.4)] == ["0.0 %", "9.9 %", "10 %", "123 %"]


# -- methods side by side ----------------------------------------------------------------------------------------------


def ranked(null=None, **methods):
    return {
        one.column: (one.mark, one.text)
        for one in ranking({key: judged(one) for key, one in methods.items()}, null or {})
    }


def test_methods_are_ranked_by_every_column_and_the_worst_is_named():
    found = ranked(
        none=effect(error=44.0, slope=0.5, drift={"rv_area": 9.0}, outside=0.4),
        regressor=effect(error=29.0, slope=1.2, drift={"rv_area": 4.0, "age": 6.0}, outside=0.2),
        segmentor=effect(error=12.0, slope=0.97, drift={"rv_area": 1.0}, outside=0.3),
    )
    assert found["error"] == (
        GOOD,
        "lv_area, error: segmentor is best (12 %), then regressor (29 %), none worst (44 %). The lead is beyond the intervals; "
        "the best is good by itself.",
    )
    assert "segmentor is best (0.97), then regressor (1.20), none worst (0.50)" in found["calibration slope"][1]
    moved = found["drift of what moves most"]
    assert (
        "segmentor is best (rv_area by 1.0 %), then regressor (age by 6.0 %), none worst (rv_area by 9.0 %)" in moved[1]
    )
    assert "regressor is best (20 %), then segmentor (30 %), none worst (40 %)" in found["share outside"][1]


def test_even_the_best_may_not_be_good_and_near_ones_are_not_told_apart():
    wide = {"none": effect(error=Estimate(12, 11, 12.8)), "tuned": effect(error=Estimate(11, 9, 11.5))}
    assert ranked(**wide)["error"] == (
        OPEN,
        "lv_area, error: tuned is best (11 %), none worst (12 %). tuned and none can't be told apart; "
        "the best is good by itself.",
    )
    poor = ranked(none=effect(error=44.0), tuned=effect(error=30.0))["error"]
    assert poor[0] is BAD
    assert poor[1].endswith("The lead is beyond the intervals; even the best is not good.")
    unsure = ranked(none=effect(error=44.0), tuned=effect(error=Estimate(12, 10, 16)))["error"]
    assert unsure[0] is OPEN
    assert unsure[1].endswith("whether the best is good by itself, nobody can tell.")
    spread = ranked(none=effect(error=12.5), tuned=effect(error=Estimate(11, 11, 11, (9.0, 13.0))))["error"]
    assert "can't be told apart" in spread[1]


def test_a_slope_is_ranked_by_its_distance_to_one_from_either_side():
    found = ranked(under=effect(slope=0.85), over=effect(slope=Estimate(1.05, 0.98, 1.09)))["calibration slope"]
    assert found[0] is GOOD
    assert "over is best (1.05), under worst (0.85)" in found[1]


def test_a_method_that_changes_nothing_is_not_best_at_leaving_things_alone():
    found = ranked(none=effect(outside=0.0, change=0.01), tuned=effect(outside=0.2), other=effect(outside=0.3))
    assert "tuned is best (20 %), other worst (30 %)" in found["share outside"][1]


def test_guided_and_weak_judges_are_said_of_methods_too():
    found = ranking({"none": judged(effect(error=44.0)), "tuned": judged(guided=True)}, {})
    assert found[0].text == "tuned: The judge guided this model: these numbers flatter it."
    assert GOOD not in {one.mark for one in found}
    weak = {one.column for one in ranking({key: judged(weak=("lv_area",)) for key in "ab"}, {})}
    assert weak == {"judge", "share outside"}


# -- on a page ---------------------------------------------------------------------------------------------------------

SAID = Section("Verdict", LIMITS, findings=[Finding(GOOD, "a < b."), Finding(BAD, "c."), Finding(OPEN, "d.")])


def test_a_mark_is_a_sign_and_words_on_every_page():
    text = markdown("t", [SAID])
    assert "- **✓ good**: a < b.\n- **✗ not good**: c.\n- **? can't tell**: d." in text
    html = page("t", [SAID], {})
    assert '<li class="good"><b>✓ good</b>a &lt; b.</li>' in html
    assert '<li class="bad"><b>✗ not good</b>c.</li>' in html
    assert "? can't tell</b>" in html


def luminance(colour):
    """Relative luminance of ``#rrggbb`` (WCAG 2.2)."""
    levels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [level / 12.92 if level <= 0.04045 else ((level + 0.055) / 1.055) ** 2.4 for level in levels]
    return sum(weight * level for weight, level in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


@pytest.mark.parametrize("name", ["ink", "quiet", "warn", "good"])
def test_words_stand_out_from_the_paper(name):
    colour = re.search(rf"--{name}: (#[0-9a-f]{{6}})", STYLE)[1]
    assert 1.05 / (luminance(colour) + 0.05) >= 4.5  # WCAG AA, on white


def test_the_limits_are_said_as_they_are():
    for limit in ("1.3 times", "1 %", "0.9 to 1.1", "5 %", "75 %"):
        assert limit in LIMITS
    assert ci.Report.verdict.__doc__
