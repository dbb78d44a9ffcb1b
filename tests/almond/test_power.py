"""Power by simulation: the same test as the analysis, closed forms, levels, designs, interruption."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from statsmodels.stats.power import TTestPower

from almond.analysis.analyse import plain_values
from almond.cli.main import main
from almond.design.exclusions import EXCLUSIONS
from almond.design.exclusions.base import BlindTables
from almond.design.exclusions.devices import Devices
from almond.design.exclusions.speed import Speed, minutes_taken
from almond.design.identity import design_digest
from almond.design.level import level_problem
from almond.design.parts import AnalysisPlan
from almond.design.plan import StudyPlan
from almond.errors import Cancelled, InputError
from almond.power import power_curve
from almond.power.designs import design_at
from almond.power.figures import draw_power
from almond.power.layout import make_layout
from almond.power.results import idle_blocks, rate
from almond.power.sentences import power_sentences
from almond.power.store import StudyKey, StudyStore
from almond.power.studies import analysed, p_value, primary_questions, simulate
from almond.progress import Silent
from almond.rng import generator
from almond.world.rater_model import RaterModel
from almond.world.simulated_answers import draw_profiles
from tests.almond.design_plans import full_plan, natural_plan, with_themes

QUIET = dict.fromkeys(
    ("person_sd", "scale_use_sd", "theme_sd", "scene_sd", "image_sd", "person_slope_sd"), 0.0
)


def planned(
    scenes: int = 6, targets: int = 2, *, people: int = 10, primary: str = "", **more: int
) -> StudyPlan:
    """A plan of so many themes of one scene each."""
    values = with_themes(full_plan(scenes, targets, **more), 1).to_json()
    values["participants"] = people
    values["analysis"]["primary"] = primary.split() or values["analysis"]["primary"]
    return StudyPlan.from_json(values)


def photographs() -> StudyPlan:
    values = with_themes(natural_plan(images=24, trials=24), 2).to_json()
    return StudyPlan.from_json({**values, "analysis": {"permutations": 199, "primary": ["natural"]}})


def raters(*, careless: float = 0.0, drop_out: float = 0.0, **sections: dict[str, float]) -> RaterModel:
    return RaterModel.model_validate({"careless": careless, "drop_out": drop_out, **sections})


def row(data: dict, test: str, effect: float, *, people: int, themes: int) -> dict:
    rows = data["rows"]
    (own,) = [
        row
        for row in rows
        if (row["test"], row["effect"], row["people"], row["themes"]) == (test, effect, people, themes)
    ]
    return own


# -- one simulated study


@pytest.mark.parametrize("plan", [planned(), photographs()], ids=["manipulated", "photographs"])
def test_p_is_that_of_the_whole_question(plan):
    layout = make_layout(plan, 4)
    data = simulate(layout, RaterModel(), people=10, effect=0.4, rng=generator(3, "study"))
    context = analysed(data, 5)
    for question in primary_questions(layout):
        whole = plain_values(question.run(context, Silent()))
        assert p_value(question, context) == question.p(whole)


def test_rows_are_those_that_an_export_has_and_pass_its_checks():
    plan = planned(repeats=2)
    model = RaterModel(drop_out=0.4)
    data = simulate(make_layout(plan, 4), model, people=10, effect=0.4, rng=generator(3, "study"))
    finished = data.participants["trials_done"] == plan.trials
    assert finished.sum() == 10
    assert len(data.participants) > 10
    ratings = data.ratings[data.ratings["participant_id"].isin(data.participants["participant_id"][finished])]
    assert len(ratings) == 10 * (24 + 2) * 2
    assert ratings["value"].between(0, 100).all()
    assert (data.choices["aligned"] == (data.choices["chosen"] == data.choices["high_side"])).all()
    left = data.ratings.groupby("participant_id")["trial_index"].max()
    partial = data.participants.set_index("participant_id")["trials_done"]
    assert (left < partial[left.index]).all()


def test_effects_share_everything_else():
    layout = make_layout(planned(), 4)
    first, second = (
        simulate(layout, RaterModel(), people=10, effect=effect, rng=generator(3, "study"))
        for effect in (0.0, 0.4)
    )
    pd.testing.assert_frame_equal(first.participants, second.participants)
    lower = first.ratings["direction"] == 0
    assert first.ratings["value"][lower].equals(second.ratings["value"][lower])
    assert (second.choices["aligned"] >= first.choices["aligned"]).all()


def test_without_replacement_those_who_leave_are_missing():
    model = RaterModel(drop_out=0.5, replaced=False)
    data = simulate(make_layout(planned(), 4), model, people=200, effect=0.0, rng=generator(3, "study"))
    assert len(data.participants) == 200
    finished = (data.participants["trials_done"] == data.participants["trials_planned"]).sum()
    assert stats.binomtest(int(finished), 200, 0.5).pvalue > 0.001


def test_profiles_have_the_effect_as_their_standard_deviation():
    for targets, constructs in ((2, 1), (4, 4), (3, 2)):
        profiles = draw_profiles(targets, constructs, generator(1, "profiles"))
        assert np.mean(profiles.var(axis=0, ddof=1)) == pytest.approx(1.0)


# -- rates: closed forms and levels


def test_ratings_find_what_the_t_test_over_themes_finds():
    """Themes that differ in what a target does, and nothing else: one difference for each theme, so that the
    test is Student's over themes, of an effect that is ``effect / theme_slope_sd`` standard deviations."""
    plan = planned(10, 2, people=12, primary="classification")
    plan = StudyPlan.from_json({
        **plan.to_json(),
        "constructs": plan.to_json()["constructs"][:1],
        "blocks": [{**plan.to_json()["blocks"][0], "constructs": ["threat"]}],
        "pairs": [],
    })  # fmt: skip
    model = raters(ratings={**QUIET, "theme_slope_sd": 0.5, "residual_sd": 0.02})
    data = power_curve(plan, model, effects=(0.5,), studies=100, lists=1, seed=2).data
    expected = TTestPower().power(effect_size=1.0, nobs=10, alpha=0.05)
    found = row(data, "classification", 0.5, people=12, themes=10)
    assert found["low"] <= expected <= found["high"], (found, expected)
    null = row(data, "classification", 0.0, people=12, themes=10)
    assert null["low"] <= 0.05 <= null["high"], null


def test_choices_find_what_the_t_test_over_themes_finds():
    """Themes that differ in log odds, with many choices in each."""
    sd, effect = 1.0, 0.4
    values = planned(12, 1, people=40, primary="choices").to_json()
    plan = StudyPlan.from_json({**values, "blocks": values["blocks"][1:]})
    own = dict.fromkeys(("person_sd", "scene_sd", "person_slope_sd", "theme_slope_sd"), 0.0)
    model = raters(choices={**own, "theme_sd": sd, "log_odds_per_sd": 2.0})
    data = power_curve(plan, model, effects=(effect,), studies=100, lists=1, seed=3).data
    nodes, weights = np.polynomial.hermite_e.hermegauss(60)
    shares, weights = 1 / (1 + np.exp(-(2.0 * effect + sd * nodes))), weights / weights.sum()
    mean = weights @ shares
    spread = np.sqrt(weights @ (shares - mean) ** 2 + weights @ (shares * (1 - shares)) / 40)
    expected = TTestPower().power(effect_size=(mean - 0.5) / spread, nobs=12, alpha=0.05)
    found = row(data, "choices", effect, people=40, themes=12)
    assert found["low"] <= expected <= found["high"], (found, expected)


@pytest.fixture(scope="module")
def curve() -> dict:
    """The usual raters, over people and themes."""
    plan = planned(8, 2, people=12)
    return power_curve(
        plan, people=(6,), themes=(6, 12), effects=(0.2, 0.6), studies=25, lists=4, seed=1
    ).data


def test_tests_hold_their_level_with_the_usual_raters(curve):
    for test in ("classification", "choices"):
        null = [own for own in curve["rows"] if own["test"] == test and own["effect"] == 0.0]
        rejected = sum(round(own["rate"] * own["studies"]) for own in null)
        # 100 studies that share random numbers in part; 13 or more come about once in 500 times at 5 %.
        assert rejected <= 12, (test, rejected)
    assert all(own["holds"] for own in curve["level"])


def test_power_rises_with_effect_people_and_themes(curve):
    def found(test, effect, people=12, themes=8):
        return row(curve, test, effect, people=people, themes=themes)["rate"]

    for test in ("classification", "choices"):
        assert found(test, 0.0) < found(test, 0.6)
        assert found(test, 0.2) <= found(test, 0.6)
        assert found(test, 0.6, people=6) <= found(test, 0.6)
        assert found(test, 0.2, themes=6) <= found(test, 0.2, themes=12)


def test_a_test_that_does_not_hold_its_level_is_named_with_the_number_that_would_do():
    finding = {"test": "choices", **rate(30, 200), "alpha": 0.05, "holds": False}
    text = level_problem({**finding, "themes_needed": 20, "people_needed": None})
    assert text is not None
    assert "15.0 % [10.4, 20.7] of simulated studies, above 5 %. With 20 themes it does." in text
    assert level_problem({**finding, "holds": True}) is None


def test_natural_images_are_simulated_with_predictors():
    data = power_curve(photographs(), effects=(1.0,), studies=10, lists=2).data
    null, found = data["rows"]
    assert found["rate"] > null["rate"]


def test_intervals_are_those_of_clopper_and_pearson():
    # Quantiles of beta distributions, as in their paper.
    low, high = stats.beta.ppf(0.025, 8, 193), stats.beta.ppf(0.975, 9, 192)
    assert rate(8, 200) == pytest.approx({"rate": 0.04, "low": low, "high": high}, abs=1e-9)


# -- designs


def test_fewer_themes_are_a_part_and_more_are_new_ones():
    plan = planned(6, 2, people=10)
    fewer, least, more = (design_at(plan, people=10, themes=themes, seed=1) for themes in (4, 2, 13))
    assert set(least.themes) < set(fewer.themes) < set(plan.themes)
    assert set(plan.themes) < set(more.themes)
    assert (len(fewer.themes), len(more.themes)) == (4, 13)
    assert len(more.stimuli) == 13 * 4
    assert len(more.pairs) == 13 * 2
    assert [block.trials for block in more.blocks] == [52, 26]
    assert design_at(plan, people=20, themes=6, seed=1).stimuli == plan.stimuli


def test_a_block_that_shows_a_part_keeps_its_trials_as_far_as_there_are_images():
    plan = planned(6, 2, ratings=10, choices=5, repeats=2)
    trials = {
        themes: [
            (block.trials, block.repeats) for block in design_at(plan, people=9, themes=themes, seed=0).blocks
        ]
        for themes in (2, 6, 12)
    }
    assert trials == {2: [(10, 2), (4, 0)], 6: [(12, 2), (5, 0)], 12: [(12, 2), (5, 0)]}


def test_the_digest_of_a_design_is_about_the_design():
    plan = planned()
    values = plan.to_json()
    words = {"title": "Another", "language": "de", "preregistration": {"hypotheses": []}}
    assert design_digest(StudyPlan.from_json({**values, **words}), 8) == design_digest(plan, 8)
    assert design_digest(plan, 4) != design_digest(plan, 8)
    assert design_digest(StudyPlan.from_json({**values, "participants": 11}), 8) != design_digest(plan, 8)


# -- interruption


class StopAfter:
    """Progress that cancels after some reports."""

    def __init__(self, reports: int) -> None:
        self.left = reports

    def report(self, fraction: float, message: str = "") -> None:
        self.left -= 1
        if self.left < 0:
            raise Cancelled("enough")


def test_people_who_hurry_fall_to_the_rule_of_speed_and_long_visits_to_its_minutes() -> None:
    hurried = raters(careless=0.3, times={"careless_share": 0.02, "person_sd": 0.5, "between_trials": 3.0})
    data = simulate(make_layout(planned(), 2), hurried, people=40, effect=0.2, rng=generator(3, "times"))
    times = pd.concat([data.ratings, data.choices])[["participant_id", "trial_id", "rt_ms"]].drop_duplicates()
    seconds = times.groupby("participant_id")["rt_ms"].sum() / 1000.0
    people = data.participants.set_index("participant_id")
    taken = pd.Series(minutes_taken(data.participants)) * 60.0
    expected = seconds + 3.0 * people["trials_done"]
    assert np.allclose(taken, expected.reindex(taken.index), atol=1e-3)
    median = times.groupby("participant_id")["rt_ms"].median()
    quick = set(median[median < median.median() / 5].index)
    tables = BlindTables(data.participants, data.ratings, data.choices, None)
    assert 4 < len(quick) < 20
    assert set(Speed().judge(tables).caught) == quick
    longest = float(taken.max()) / 60.0
    caught = Speed(longest_minutes=longest * 0.999).judge(tables).caught
    assert [reason for reason in caught.values() if reason.startswith("took")] == [
        f"took {longest:.1f} minutes"
    ]


def test_an_interrupted_analysis_goes_on_and_gives_the_same(tmp_path, monkeypatch):
    arguments = {"people": (6,), "effects": (0.5,), "studies": 4, "lists": 2, "seed": 9}
    whole = power_curve(planned(people=8), **arguments).data
    keep = tmp_path / "studies.jsonl"
    with pytest.raises(Cancelled):
        power_curve(planned(people=8), **arguments, keep=keep, progress=StopAfter(4))
    lines = keep.read_text().splitlines()
    assert 0 < len(lines) < 16
    keep.write_text("\n".join(lines) + "\n" + lines[0][:9])  # its writer was killed half-way
    added = []
    monkeypatch.setattr(StudyStore, "add", watched(StudyStore.add, added))
    assert power_curve(planned(people=8), **arguments, keep=keep).data == whole
    assert len(added) == 16 - len(lines)
    assert len(keep.read_text().splitlines()) == 16


def watched(add, added):
    def add_and_note(self, key, p):
        added.append(key)
        add(self, key, p)

    return add_and_note


def test_the_store_reads_back_what_it_wrote(tmp_path):
    store = StudyStore(tmp_path / "kept.jsonl")
    store.add(StudyKey(10, 6, 0.35, 3), {"choices": 0.1234567890123456, "classification": None})
    assert StudyStore(tmp_path / "kept.jsonl").finished == store.finished


# -- the command, and what it refuses


@pytest.fixture
def plan_file(tmp_path: Path) -> Path:
    path = tmp_path / "plan.json"
    path.write_bytes(planned(people=8).to_bytes())
    return path


def test_the_command_writes_a_report_and_answers_first(plan_file, capsys):
    words = [
        "power",
        str(plan_file),
        "--studies",
        "3",
        "--people",
        "6,8",
        "--lists",
        "2",
        "--effects",
        ".5,1",
    ]
    assert main(words) == 0
    said = capsys.readouterr()
    assert said.out.startswith(
        "Classification: with 8 participants and 6 themes, an effect of .5 SD is found in"
    )
    folder = plan_file.with_name("plan-power")
    data = json.loads((folder / "power.json").read_text())
    assert {own["people"] for own in data["rows"]} == {6, 8}
    assert said.out.splitlines()[:2] == data["headline"]
    assert list(draw_power(data)) == ["people"]
    assert (folder / "figures" / "people.svg").exists()
    assert "without effect" in (folder / "report.md").read_text()
    assert list(plan_file.parent.glob(".plan-power*")) == []
    first = (folder / "power.json").read_bytes()
    assert main([*words, "--json"]) == 0
    assert capsys.readouterr().out.encode() == first


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (["--people", "1"], "people: is 1"),
        (["--themes", "0"], "themes: is 0"),
        (["--studies", "1"], "studies: is 1"),
        (["--effects", "0"], "effects: 0 is one of them"),
        (["--effects", "nan"], "effects: nan is one of them"),
        (["--seed", "-1"], "seed: is -1"),
        (["--lists", "0"], "lists: is 0"),
        (["--raters", "nowhere.yaml"], "nowhere.yaml"),
    ],
)
def test_what_cannot_be_simulated_is_one_line(plan_file, capsys, words, problem):
    assert main(["power", str(plan_file), *words]) == 1
    error = capsys.readouterr().err
    assert problem in error
    assert "Traceback" not in error
    assert [path.name for path in plan_file.parent.iterdir()] == ["plan.json"]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("careles: .1", "did you mean careless?"),
        ("careless: 2", "careless: is 2, not a number of at most 1"),
        ("ratings: {theme_sd: wide}", "ratings.theme_sd: is 'wide', not a number"),
        ("ratings: [", "is not YAML"),
        ("drop_out: 1", "at most 0.9"),
    ],
)
def test_a_file_of_raters_is_checked_whole(plan_file, capsys, text, problem):
    file = plan_file.with_name("raters.yaml")
    file.write_text(text)
    assert main(["power", str(plan_file), "--raters", str(file)]) == 1
    assert problem in capsys.readouterr().err


def test_a_primary_test_that_the_design_does_not_allow_is_named():
    with pytest.raises(InputError, match=r"'natural'.*cannot run.*the stimuli have intended targets"):
        power_curve(planned(primary="natural"), studies=2)
    untested = StudyPlan.from_json({**planned().to_json(), "analysis": AnalysisPlan(primary=()).model_dump()})
    with pytest.raises(InputError, match=r"has no primary test"):
        power_curve(untested, studies=2)


def test_a_folder_with_something_else_is_left_alone(plan_file, capsys):
    (plan_file.parent / "plan-power").mkdir()
    (plan_file.parent / "plan-power" / "thesis.txt").write_text("mine")
    assert main(["power", str(plan_file), "--studies", "2"]) == 1
    assert "holds something else" in capsys.readouterr().err


def test_rules_that_judge_by_what_is_not_simulated_are_named() -> None:
    lacking = {
        name: EXCLUSIONS.load(name)(kind=name).unsimulated()
        for name in EXCLUSIONS.names()
        if EXCLUSIONS.load(name)(kind=name).unsimulated()
    }
    assert set(lacking) == {"failed_checks", "reloads", "devices", "by_hand"}
    design = {"primary": [], "idle_rules": [{"rule": Devices().words(), "lacks": Devices().unsimulated()}]}
    (said,) = power_sentences({"design": design, "level": [], "rows": []})
    assert said.startswith(
        "Not simulated: windows and displays, by which nobody was left out here. Devices: "
    )
    assert power_sentences({"design": {"primary": []}, "level": [], "rows": []}) == []


def test_blocks_whose_answers_are_not_simulated_are_named() -> None:
    values = planned().to_json()
    sets = {
        "kind": "best_worst",
        "name": "sets",
        "trials": 4,
        "constructs": [values["constructs"][0]["name"]],
    }
    pause = {"kind": "break", "name": "pause", "trials": 1}
    plan = StudyPlan.from_json({**values, "blocks": [*values["blocks"], sets, pause]})
    assert idle_blocks(planned()) == {}
    idle = idle_blocks(plan)
    assert [row["block"] for row in idle["idle_blocks"]] == ["sets"]
    (said,) = power_sentences({"design": {"primary": [], **idle}, "level": [], "rows": []})
    assert said.startswith("Not simulated: block “sets” (best and worst")
