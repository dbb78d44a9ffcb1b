"""Exclusion rules: what each catches, that none sees a label, and what the analysis makes of them."""

from __future__ import annotations

import dataclasses
import itertools
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from almond.analysis.analyse import AnalysisResult, analyse_export
from almond.analysis.document import draw_study, study_document
from almond.analysis.questions.base import Settings, context_of, load_questions, plain_values
from almond.analysis.registration.label import label_analysis
from almond.analysis.registration.plan_document import plan_json, plan_texts
from almond.analysis.sample import apply_exclusions, screen
from almond.analysis.screening.blind import blind_tables
from almond.analysis.study_data import StudyData, read_study
from almond.design.assignment import make_lists
from almond.design.exclusions import EXCLUSIONS
from almond.design.exclusions.base import BLIND_COLUMNS, BlindTables, CannotApply, ExclusionRule, Judged
from almond.design.exclusions.devices import Devices
from almond.design.exclusions.failed_checks import FailedChecks
from almond.design.exclusions.reloads import Reloads
from almond.design.exclusions.repeats import Repeats
from almond.design.exclusions.speed import Speed
from almond.design.exclusions.straight_lining import StraightLining
from almond.design.plan import StudyPlan
from almond.errors import InputError
from almond.evidence.simulated import simulate_study
from almond.exchange.schema import table_schemas
from almond.progress import Silent
from almond.report.render import render_markdown
from almond.rng import generator
from almond.shapes import ShapeError
from almond.world.scenes import LATENTS
from tests.almond.design_plans import full_plan
from tests.almond.export_maker import reseal
from tests.almond.screened_export import BROKEN, exclude, load, plan_rules, read, screened_export, write

OUTCOME = {
    "intended_target",
    "direction",
    "strength",
    "aligned",
    "high_side",
    "base_scene",
    "theme",
    "pair_id",
}
"""What tells an image's purpose; beside these, all scores and norms of stimuli.csv."""


@pytest.fixture(scope="module")
def export(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = screened_export(tmp_path_factory.mktemp("screened") / "export")
    exclude(folder, "P007", "wrote that a child had played with the mouse")
    return folder


@pytest.fixture(scope="module")
def data(export: Path) -> StudyData:
    return read_study(export)


@pytest.fixture(scope="module")
def result(export: Path) -> AnalysisResult:
    return analyse_export(export)


# -- single rules, on tables made by hand


def people(*names: str, **columns: Any) -> pd.DataFrame:
    times = {"started_at": "2026-01-05T10:00:00+00:00", "finished_at": "2026-01-05T10:30:00+00:00"}
    return pd.DataFrame([{"participant_id": name, **times, **columns} for name in names])


def ratings(person: str, trials: list[dict[str, float]], **columns: Any) -> pd.DataFrame:
    """Make rating trials: each holds a value for every construct."""
    shared = {"participant_id": person, "block": "b", "repeat": 0, "rt_ms": 2000.0, "marks": "", **columns}
    return pd.DataFrame(
        {**shared, "trial_index": index, "stimulus_id": index, "construct": construct, "value": value}
        for index, values in enumerate(trials)
        for construct, value in values.items()
    )


def tables(
    *rated: pd.DataFrame, choices: pd.DataFrame | None = None, events: list[dict[str, Any]] | None = None
) -> BlindTables:
    whole = pd.concat(rated) if rated else ratings("A", [{"x": 1.0}]).iloc[:0]
    empty = pd.DataFrame(columns=["participant_id", "trial_index", "rt_ms", "chosen", "marks"])
    chosen = empty if choices is None else choices
    names = dict.fromkeys([*whole["participant_id"], *chosen["participant_id"]])
    happened = None if events is None else pd.DataFrame(events)
    return BlindTables(people(*names), whole, chosen, happened)


def test_speed_counts_time_per_judgement_and_the_share_at_its_limit() -> None:
    slow = ratings("slow", [{"x": 1.0, "y": 2.0}] * 4, rt_ms=800.0)
    fast = ratings("fast", [{"x": 1.0, "y": 2.0}] * 4, rt_ms=799.0)
    mixed = pd.concat([slow[slow["trial_index"] > 0], fast[fast["trial_index"] == 0]])
    judged = Speed().judge(tables(slow, fast, mixed.assign(participant_id="mixed")))
    assert judged.caught == {"fast": "100 % of trials below 400 ms per judgement"}
    stricter = Speed(most_share=0.24).judge(tables(mixed.assign(participant_id="mixed")))
    assert stricter.caught == {"mixed": "25 % of trials below 400 ms per judgement"}


def test_speed_looks_at_choices_too_and_at_the_whole_visit() -> None:
    rows = [{"participant_id": "A", "trial_index": i, "rt_ms": 150.0, "chosen": "left"} for i in range(3)]
    both = tables(ratings("A", [{"x": 1.0}] * 5), choices=pd.DataFrame(rows))
    assert Speed().judge(both).caught == {"A": "37.5 % of trials below 400 ms per judgement"}
    assert Speed(most_share=0.5, longest_minutes=29.9).judge(both).caught == {"A": "took 30.0 minutes"}
    assert not Speed(most_share=0.5, longest_minutes=30).judge(both).caught


def test_straight_lining_is_about_spread_within_constructs() -> None:
    wide = ratings("wide", [{"x": 10.0, "y": 90.0}, {"x": 30.0, "y": 70.0}])
    flat = ratings("flat", [{"x": 10.0, "y": 90.0}, {"x": 12.0, "y": 88.0}])
    judged = StraightLining().judge(tables(wide, flat))
    assert judged.caught == {"flat": "ratings have an SD of 1.4"}
    values = np.array([3.0, 9.0, 4.0, 14.0])
    two = ratings("A", [{"x": a, "y": b} for a, b in zip(values, values[::-1] * 2, strict=True)])
    pooled = np.sqrt((values.var(ddof=1) + (2 * values).var(ddof=1)) / 2)
    assert StraightLining(least_sd=50).judge(tables(two)).caught["A"].endswith(f"{pooled:.1f}")


def test_straight_lining_by_runs_and_by_sides() -> None:
    answers = [{"x": 50.0, "y": 50.0}] * 3 + [{"x": 50.0, "y": 51.0}] + [{"x": 9.0, "y": 9.0}] * 2
    rule = StraightLining(least_sd=None, longest_run=2)
    assert rule.judge(tables(ratings("A", answers))).caught == {"A": "same ratings in 3 trials in a row"}
    assert not rule.judge(tables(ratings("A", answers[1:]))).caught
    sides = ["left"] * 9 + ["right"]
    rows = pd.DataFrame({"participant_id": "A", "trial_index": range(10), "rt_ms": 900.0, "chosen": sides})
    limit = StraightLining(least_sd=None, most_one_side=0.8)
    assert limit.judge(tables(choices=rows)).caught == {"A": "90 % of choices on one side"}
    with pytest.raises(CannotApply, match="choices"):
        limit.judge(tables(ratings("A", answers)))


def test_failed_checks_count_trials_and_not_rows() -> None:
    marked = ratings("A", [{"x": 1.0, "y": 2.0}] * 3, marks="too_fast altered")
    assert FailedChecks(most=2).judge(tables(marked)).caught == {"A": "3 trials marked too_fast"}
    assert not FailedChecks(most=3).judge(tables(marked)).caught
    assert not FailedChecks(mark="too_long", most=0).judge(tables(marked)).caught
    assert FailedChecks(mark="any", most=0).judge(tables(marked)).caught == {"A": "3 trials marked"}
    without = tables(marked.drop(columns="marks"))
    with pytest.raises(CannotApply, match="marks"):
        FailedChecks().judge(dataclasses.replace(without, choices=without.choices.drop(columns="marks")))


def twice(person: str, first: list[float], second: list[float], construct: str = "x") -> pd.DataFrame:
    once = ratings(person, [{construct: value} for value in first])
    again = ratings(person, [{construct: value} for value in second], repeat=1)
    return pd.concat([once, again.assign(trial_index=again["trial_index"] + 100)])


def test_repeats_by_difference_and_correlation() -> None:
    rng = np.random.default_rng(1)
    first, second = rng.uniform(0, 100, (2, 12))
    own = tables(twice("A", list(first), list(second)))
    mean = np.abs(first - second).mean()
    caught = Repeats(largest_difference=mean - 0.01).judge(own).caught
    assert caught == {"A": f"ratings of images shown twice differ by {mean:.1f} on average"}
    assert not Repeats(largest_difference=mean + 0.01).judge(own).caught
    r = np.corrcoef(first, second)[0, 1]
    rule = Repeats(largest_difference=None, least_correlation=r + 0.01)
    assert rule.judge(own).caught == {"A": f"ratings of images shown twice correlate with r = {r:.2f}"}
    assert not Repeats(largest_difference=None, least_correlation=r - 0.01).judge(own).caught


def test_constructs_that_differ_do_not_make_repeats_agree() -> None:
    rng = np.random.default_rng(2)
    low = twice("A", list(rng.uniform(0, 10, 30)), list(rng.uniform(0, 10, 30)), "x")
    high = twice("A", list(rng.uniform(90, 100, 30)), list(rng.uniform(90, 100, 30)), "y")
    judged = Repeats(largest_difference=None, least_correlation=0.5).judge(tables(low, high))
    assert "r = " in judged.caught["A"]


def test_repeats_do_not_judge_few_pairs_nor_ratings_that_never_change() -> None:
    few = twice("few", [1.0, 99.0], [99.0, 1.0])
    constant = twice("constant", [50.0] * 12, [50.0] * 12)
    rule = Repeats(largest_difference=None, least_correlation=0.0)
    assert rule.judge(tables(few, constant)) == Judged({}, ("few", "constant"))
    with pytest.raises(CannotApply, match="rated twice"):
        rule.judge(tables(ratings("A", [{"x": 1.0}])))


def test_reloads_and_losses_of_focus() -> None:
    blurs = [{**load("A", 10 + number), "kind": "blur"} for number in range(4)]
    events = [*(load("A", number) for number in range(5)), *blurs, {**load("C", 0), "kind": "blur"}]
    rated = [ratings(name, [{"x": 1.0}]) for name in "ABC"]
    own = tables(*rated, events=events)
    assert Reloads(most_reloads=3).judge(own) == Judged({"A": "4 reloads of the page"}, ("B", "C"))
    assert not Reloads(most_reloads=4).judge(own).caught
    focus = Reloads(most_reloads=None, most_blurs=3).judge(own)
    assert focus.caught == {"A": "the window lost the focus 4 times"}
    with pytest.raises(CannotApply, match="events"):
        Reloads().judge(tables(*rated))


def test_devices_by_the_smallest_window_and_the_slowest_frame() -> None:
    events = [load("A", 0), load("A", 1, width=390, height=700), load("B", 0, frame_ms=33.4), load("C", 0)]
    own = tables(*[ratings(name, [{"x": 1.0}]) for name in "ABCD"], events=events)
    assert Devices().judge(own) == Judged({"A": "window 390 pixels wide"}, ("D",))
    rule = Devices(least_width=None, least_height=720, slowest_frame_ms=20)
    assert rule.judge(own).caught == {"A": "window 700 pixels high", "B": "a frame took 33.4 ms"}
    unread = [{**load("A", 0), "detail": "[1"}]
    with pytest.raises(InputError, match="a JSON object, or nothing"):
        Devices().judge(tables(ratings("A", [{"x": 1.0}]), events=unread))


# -- outcome-blind


def test_no_rule_is_given_a_column_that_tells_an_outcome(data: StudyData) -> None:
    columns = set(itertools.chain.from_iterable(BLIND_COLUMNS.values()))
    assert not columns & OUTCOME
    assert not [name for name in columns if name.startswith(("score_", "norm_"))]
    assert {"construct", "left_stimulus", "right_stimulus"}.isdisjoint(BLIND_COLUMNS["choices"])
    known = {name: table for name, table in table_schemas(events=True).items() if name in BLIND_COLUMNS}
    later = {"marks", "late", "gap_ms", "excluded", "excluded_reason", "excluded_blind"}
    for name, table in known.items():
        assert set(BLIND_COLUMNS[name]) - later <= {column.name for column in table.columns}
    shown = blind_tables(data.participants, data.ratings, data.choices, data.events)
    assert set(shown.ratings["stimulus_id"]) == set(range(64))
    for frame, name in ((shown.ratings, "ratings"), (shown.choices, "choices"), (shown.events, "events")):
        assert frame is not None
        assert set(frame.columns) <= set(BLIND_COLUMNS[name])


class Aligned(ExclusionRule):
    kind: Any = "aligned"

    def words(self) -> str:
        return "Who is never aligned."

    def judge(self, tables: BlindTables) -> Judged:
        return Judged(dict.fromkeys(tables.choices.loc[tables.choices["aligned"] == 0, "participant_id"], ""))


def test_a_rule_that_reads_an_outcome_fails(data: StudyData) -> None:
    with pytest.raises(KeyError, match="aligned"):
        Aligned().judge(blind_tables(data.participants, data.ratings, data.choices, data.events))


def relabelled(data: StudyData, seed: int) -> StudyData:
    """Give every image the target, direction and scores of another, and every choice another high side."""
    rng = np.random.default_rng(seed)
    labels = [name for name in data.stimuli if name in OUTCOME or name.startswith("score_")]
    order = rng.permutation(len(data.stimuli))
    stimuli = data.stimuli.assign(**{name: data.stimuli[name].to_numpy()[order] for name in labels})
    by_id = stimuli.set_index("stimulus_id")
    own = ["base_scene", "theme", "intended_target", "direction", "strength"]
    rated = data.ratings.assign(**{name: data.ratings["stimulus_id"].map(by_id[name]) for name in own})
    high = rng.choice(["left", "right"], len(data.choices))
    aligned = (data.choices["chosen"] == high).astype(int)
    chosen = data.choices.assign(high_side=high, aligned=aligned, intended_target="LB", construct="threat")
    return dataclasses.replace(data, stimuli=stimuli, ratings=rated, choices=chosen)


def test_other_labels_exclude_the_same_people_for_the_same_reasons(data: StudyData) -> None:
    before = apply_exclusions(data)
    assert {row.participant_id: row.rule for row in before.excluded} == BROKEN
    for seed in range(3):
        other = relabelled(data, seed)
        assert not other.ratings["intended_target"].equals(data.ratings["intended_target"])
        assert not other.choices["aligned"].equals(data.choices["aligned"])
        after = apply_exclusions(other)
        assert (after.excluded, after.flow, after.participants) == (
            before.excluded,
            before.flow,
            before.participants,
        )


def test_each_participant_is_judged_by_their_own_rows(data: StudyData) -> None:
    together = {row.name: row.caught for row in screen(data).rules}
    for person in ("P000", "P001", "P004", "P006"):
        alone = data.participants[data.participants["participant_id"] == person]
        (rules,) = [screen(dataclasses.replace(data, participants=alone)).rules]
        for rule in rules:
            assert rule.caught.get(person) == together[rule.name].get(person)


# -- the plan


def with_rules(*rules: dict[str, Any], plan: StudyPlan | None = None) -> StudyPlan:
    own = (plan or full_plan(repeats=2)).to_json()
    return StudyPlan.from_json({**own, "analysis": {**own["analysis"], "exclusions": list(rules)}})


def test_rules_are_part_of_the_plan_in_its_order_and_of_its_digest() -> None:
    rules: list[dict[str, Any]] = [{"kind": "repeats"}, {"kind": "speed", "fastest_ms": 300.0}]
    plan, other = with_rules(*rules), with_rules(*rules[::-1])
    assert len({plan.digest, other.digest, full_plan(repeats=2).digest}) == 3
    again = StudyPlan.from_bytes(plan.to_bytes())
    assert again.digest == plan.digest
    assert again.analysis.exclusions == (Repeats(), Speed(fastest_ms=300.0))
    assert with_rules().digest == full_plan(repeats=2).digest
    assert "exclusions" not in with_rules().to_json()["analysis"]


@pytest.mark.parametrize(
    ("rules", "problem"),
    [
        ([{"kind": "speed"}, {"kind": "speed"}], "analysis.exclusions: rule 'speed' stands more than once"),
        ([{"kind": "mood"}], "analysis.exclusions[0]: kind is 'mood', not one of speed, straight_lining"),
        (
            [{"kind": "speed", "fastest": 1}],
            "exclusions[0].fastest: unknown setting; did you mean fastest_ms",
        ),
        ([{"kind": "speed", "most_share": 1.0}], "exclusions[0].most_share: is 1.0, not a number below 1"),
        ([{"kind": "speed"}, {"kind": "devices", "least_width": None}], "[1].least_width: is missing"),
        ([{"kind": "straight_lining", "least_sd": None}], "exclusions[0].least_sd: is missing"),
        ([{"kind": "reloads", "most_reloads": 1.5}], "[0].most_reloads: is 1.5, not a whole number"),
    ],
)
def test_what_is_wrong_with_a_rule_is_named_by_its_path(rules: list[dict[str, Any]], problem: str) -> None:
    with pytest.raises(ShapeError) as refused:
        with_rules(*rules)
    assert any(problem in text for text in refused.value.problems), refused.value.problems


def test_a_rule_needs_what_it_judges_by() -> None:
    with pytest.raises(ShapeError, match=r"exclusions\[0\].kind: needs a block that shows images a second"):
        with_rules({"kind": "repeats"}, plan=full_plan())


def test_the_plan_as_a_document_states_every_rule_in_its_order() -> None:
    plan = with_rules({"kind": "repeats"}, {"kind": "speed", "longest_minutes": 90.0})
    first, second = plan_texts(plan)["exclusions"].split("\n")
    assert first.startswith("1. Repeats: participants whose two ratings of images shown twice differ")
    assert second == (
        "2. Speed: participants with more than 25 % of trials answered in less than 400 ms per judgement, or "
        "who took more than 90 minutes from consent to the end."
    )
    assert plan_json(plan)["osf"]["Data exclusion"] == f"{first}\n{second}"


def test_every_rule_says_its_numbers() -> None:
    for name, kind in EXCLUSIONS.entries().items():
        rule = kind()
        assert rule.kind == name
        words = rule.words()
        assert words.endswith(".")
        for field in type(rule).model_fields:
            value = getattr(rule, field)
            if isinstance(value, int | float):
                shown = f"{100 * value:g} %" if "share" in field else f"{value:g}"
                assert shown in words, (name, field)


# -- simulated raters


def share_caught(careless_share: float, participants: int = 120) -> tuple[dict[str, float], float]:
    """Return the share of simulated participants whom each rule catches as it is by default, and of any."""
    plan = full_plan(6, 2, ratings=24, repeats=6, choices=12)
    rng = generator(5, "percepts")
    percepts = {row.id: rng.uniform(0, 1, len(LATENTS)) * (rng.random(16) < 0.5) for row in plan.stimuli}
    people = simulate_study(
        plan,
        make_lists(plan, 6),
        percepts,
        n_participants=participants,
        seed=5,
        start=datetime(2026, 3, 1, 9, tzinfo=UTC),
        careless_share=careless_share,
    )
    shown = blind_tables(people["participants"], people["ratings"], people["choices"], None)
    rules = (Speed(), StraightLining(), Repeats())
    caught = {rule.kind: set(rule.judge(shown).caught) for rule in rules}
    return (
        {name: len(who) / participants for name, who in caught.items()},
        len(set().union(*caught.values())) / participants,
    )


def test_the_rules_catch_careless_raters_and_few_attentive_ones() -> None:
    """The figures of docs/analysis.md; who rates at random spreads ratings widely: no straight line."""
    careless, any_careless = share_caught(1.0)
    attentive, any_attentive = share_caught(0.0)
    assert careless["speed"] > 0.9
    assert careless["repeats"] > 0.5
    assert careless["straight_lining"] == 0
    assert any_careless > 0.95
    assert attentive["speed"] < 0.02
    assert attentive["straight_lining"] == 0
    assert any_attentive < 0.06


# -- the analysis


def test_everybody_excluded_has_the_first_reason_with_its_number(result: AnalysisResult) -> None:
    rows = result.data["sample"]["excluded"]
    assert {row["participant_id"]: row["rule"] for row in rows} == BROKEN
    assert [row["rule"] for row in rows] == list(EXCLUSIONS)
    assert rows[0]["why"] == "100 % of trials below 400 ms per judgement"
    assert rows[-1]["why"] == "wrote that a child had played with the mouse"
    assert result.data["sample"]["analysed"] == 5
    assert result.data["choices"]["units"]["participants"] == 5
    assert {row["name"] for row in result.data["choices"]["excluded"]} == set(BROKEN)


def test_the_flow_adds_up_and_keeps_the_order_of_the_plan(result: AnalysisResult) -> None:
    flow = result.data["sample"]["flow"]
    assert [row["step"] for row in flow] == ["joined", "completed", *EXCLUSIONS, "analysed"]
    assert [row["left"] for row in flow] == [14, 12, 11, 10, 9, 8, 7, 6, 5, 5]
    for before, after in itertools.pairwise(flow):
        assert before["left"] - after["out"] == after["left"]
    counted = {row["rule"]: (row["count"], row["of"]) for row in result.data["sample"]["exclusions"]}
    assert counted["completed only"] == (2, 14)
    assert counted["repeats"] == (1, 9)


def test_whoever_is_excluded_by_hand_past_the_plan_is_a_step_and_a_deviation(tmp_path: Path) -> None:
    folder = screened_export(tmp_path / "export", participants=8, scenes=6)
    plan_rules(folder, {"kind": "speed", "fastest_ms": 1.0, "most_share": 0.999}, {"kind": "by_hand"})
    exclude(folder, "P000", "took part in the pilot")
    assert analyse_export(folder).data["deviations"] == []
    plan_rules(folder, {"kind": "speed", "fastest_ms": 1.0, "most_share": 0.999})
    exclude(folder, "P001", "asked to be left out")
    found = analyse_export(folder).data
    step = {row["step"]: row for row in found["sample"]["flow"]}["excluded by hand, not planned"]
    assert (step["out"], step["left"]) == (2, 6)
    assert found["mode"] == "confirmatory"
    (deviation,) = found["deviations"]
    assert (deviation["kind"], deviation["planned"]) == ("exclusions", "nobody")
    assert "P000: took part in the pilot, by A. Lab on " in deviation["done"]
    words = render_markdown(study_document(found))
    assert "Exclusions: excluded by hand, not planned planned nobody" not in words
    assert "2 participants left out, each with the first reason" in words
    exclude(folder, "P002", "looked odd", blind=False)
    late = analyse_export(folder).data
    assert late["mode"] == "exploratory"
    assert late["reasons"] == ["1 participant was excluded by hand after answers could be seen"]


def test_a_table_that_excludes_otherwise_than_the_manifest_says_is_refused(tmp_path: Path) -> None:
    folder = screened_export(tmp_path / "export", participants=8, scenes=6)
    exclude(folder, "P000", "took part in the pilot")
    reseal(folder, excluded_by_hand=None)
    with pytest.raises(InputError, match="excluded exactly as manifest"):
        read_study(folder)


def test_where_the_rules_leave_nobody_the_tests_without_them_stand_all_the_same(tmp_path: Path) -> None:
    folder = screened_export(tmp_path / "export", participants=8, scenes=6)
    plan_rules(folder, {"kind": "speed", "fastest_ms": 59000.0})
    found = analyse_export(folder).data
    assert found["sample"]["analysed"] == 0
    rows = {(row["test"], row["rules"]): row for row in found["robustness"]}
    nobody = "the plan’s exclusion rules leave no participant"
    assert {
        row["reason"] for row in found["not_run"] if row["analysis"] in ("choices", "classification")
    } == {nobody}
    for test in ("choices", "classification"):
        assert (rows[test, "all"]["p"], rows[test, "all"]["reason"]) == (None, nobody)
        assert rows[test, "none"]["p"] > 0
    assert f"Not run: {nobody}." in render_markdown(study_document(found))


def test_who_never_joined_is_said_as_the_site_counted(tmp_path: Path) -> None:
    counts = {"arrived": 20, "refused": {"full": 2, "pause": 1}, "consented": 17, "withdrew": 1, "lists": []}
    folder = screened_export(tmp_path / "export", participants=8, scenes=6)
    reseal(folder, about={"flow": counts})
    found = analyse_export(folder).data
    assert found["sample"]["arrivals"] == {"arrived": 20, "refused": 3, "consented": 17, "withdrew": 1}
    assert "20 arrived, 3 refused, 17 consented, 1 withdrew." in render_markdown(study_document(found))


def test_whoever_finished_counts_for_the_stopping_rule(data: StudyData, result: AnalysisResult) -> None:
    sample = apply_exclusions(data)
    assert (len(sample.finished), len(sample.participants)) == (12, 5)
    assert label_analysis(data, sample, []).mode == "confirmatory"
    assert result.confirmatory
    assert result.data["deviations"] == []


def test_primary_tests_stand_with_all_none_and_without_each_rule(
    data: StudyData, result: AnalysisResult
) -> None:
    rows = {(row["test"], row["rules"]): row for row in result.data["robustness"]}
    variants = ["all", "none", *(f"without {name}" for name in EXCLUSIONS)]
    assert list(rows) == [(test, name) for test in ("classification", "choices") for name in variants]
    # P001 is caught by speed and by repeats: without the first of them, the other leaves them out.
    assert [rows["choices", name]["participants"] for name in variants] == [5, 12, 5, 6, 6, 6, 6, 6, 6]
    assert rows["choices", "without speed"]["p"] == rows["choices", "all"]["p"]
    p_values = {row["test"]: row["p"] for row in result.data["tests"]}
    assert {test: rows[test, "all"]["p"] for test in p_values} == p_values
    for row in rows.values():
        assert row["p"] is not None
        assert 0 < row["estimate"] <= 1


@pytest.mark.parametrize("omit", [(), ("speed", "repeats")])
def test_a_test_repeated_is_the_test_that_a_whole_analysis_runs(
    data: StudyData, omit: tuple[str, ...]
) -> None:
    context = context_of(data, screen(data).sample(omit=omit), Settings(19, 7, 0.05))
    repeated = [question for question in load_questions() if question.retest is not None]
    other = ("choice_specificity", "photograph_choices")  # of own pairs, of photographs: not in this study
    repeated = [question for question in repeated if question.name not in other]
    assert {"classification", "choices"} <= {question.name for question in repeated}
    for question in repeated:
        assert question.retest is not None
        assert question.p is not None
        from_run = plain_values(question.run(context, Silent()))
        estimate = question.retest(context)
        assert estimate.p == pytest.approx(question.p(from_run), rel=1e-9)


def test_rules_that_catch_nobody_change_nothing(tmp_path: Path) -> None:
    folder = screened_export(tmp_path / "export", participants=8, scenes=6)
    plan_rules(folder, {"kind": "speed", "most_share": 0.999, "fastest_ms": 1.0})
    none = analyse_export(folder).data
    assert none["sample"]["excluded"] == []
    assert none["sample"]["analysed"] == 8
    assert {row["rules"] for row in none["robustness"]} == {"all", "none"}
    assert len({row["p"] for row in none["robustness"] if row["test"] == "choices"}) == 1


def test_a_rule_that_cannot_be_applied_is_a_deviation_and_said(tmp_path: Path) -> None:
    folder = screened_export(tmp_path / "export", participants=8, scenes=6)
    (folder / "data" / "events.csv").unlink()
    plan_rules(folder, {"kind": "speed"}, {"kind": "reloads"})
    found = analyse_export(folder)
    assert found.data["deviations"] == [
        {
            "kind": "exclusions",
            "what": "reloads",
            "planned": "applied",
            "done": "the export lacks the table of events",
        }
    ]
    assert found.data["mode"] == "exploratory"
    assert found.data["reasons"] == [
        "planned exclusions could not be applied (reloads: the export lacks the table of events)"
    ]
    text = render_markdown(study_document(found.data))
    assert "the rule “reloads” was planned and not applied: the export lacks the table of events" in text
    assert "Not applied: the export lacks the table of events." in text


def test_the_report_shows_flow_reasons_and_hollow_dots(result: AnalysisResult) -> None:
    text = render_markdown(study_document(result.data))
    for said in (
        "Exclusion rules of the plan, applied in this order",
        "Reloads: participants who loaded the study's page again more than 3 times. 1 of 8 left out.",
        "| P003 | failed checks | 3 trials marked too_fast |",
        "| without straight-lining | 6 |",
        "Hollow: 7 excluded from the analysis",
        "| P001 (excluded) |",
        "also where a rule left them out",
    ):
        assert said in text, said
    figures = draw_study(result.data)
    words = {label.get_text() for label in figures["flow"].axes[0].texts}
    assert {"14 joined", "12 remain", "1 left out: straight-lining", "5 analysed"} <= words
    solid, hollow = figures["choices_people"].axes[0].lines[1:]
    assert (len(np.asarray(solid.get_xdata())), len(np.asarray(hollow.get_xdata()))) == (5, 7)
    assert solid.get_markerfacecolor() != hollow.get_markerfacecolor()


def test_wrong_events_are_named(tmp_path: Path) -> None:
    folder = screened_export(tmp_path / "export", participants=7)
    write(folder, "events", read(folder, "events").assign(page_ms="-1"))
    plan_rules(folder)
    with pytest.raises(InputError, match="column page_ms, row 2: '-1' is not a number at least 0"):
        read_study(folder)
