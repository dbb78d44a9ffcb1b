"""On- against off-target predicted responses of a study's images, and whose weights judge them.

Reference numbers of R 4 with lmerTest, of the images of ``formula_images`` in long form, a row per image and
region: ``contrasts(l$region) <- contr.sum(3); lmer(y ~ region * (dir + on + eff) + (1 + eff || theme) +
(1 | image) + (1 | base_scene), l)``; ``dir`` is direction / 2, ``on`` 1/2 or -1/2, ``eff`` their product.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from almond.analysis.activation.score_sources import ScoreSources, Weights, read_score_sources, worst
from almond.analysis.analyse import analyse_export, plain_values
from almond.analysis.questions.base import NotApplicable, Settings, make_context
from almond.analysis.questions.on_off import QUESTION
from almond.analysis.report import write_report
from almond.analysis.study_data import read_study
from almond.errors import InputError
from almond.exchange.manifest import load_manifest
from almond.progress import Silent
from almond.report.figures_style import style
from almond.stats.specificity.score_shifts import (
    overall_specificity,
    scene_shifts,
    shift_cells,
    target_shift,
    theme_test,
)
from almond.stats.specificity.specificity_model import specificity_model
from tests.almond.export_maker import TARGETS, make_export, reseal
from tests.almond.small_export import SmallStudy

REGIONS = ("A", "B", "C")
COLUMNS = [f"score_{name}" for name in REGIONS]


def formula_images():
    """Eight scenes in six themes, three targets, up and down, by formula, so that R can have the same."""
    rows = []
    for scene in range(8):
        theme = scene // 2 if scene < 4 else scene - 2
        for place, target in enumerate(REGIONS):
            for direction in (1, -1):
                number = len(rows) + 1
                shift = [1.0 + 0.5 * np.sin(2.1 * theme) if r == place else -0.3 for r in range(3)]
                scores = {
                    f"score_{name}": direction * shift[r]
                    + 0.4 * np.sin(1.7 * scene + r)
                    + 0.5 * np.sin(0.37 * number * number + 1.1 * r)
                    + 0.3 * np.cos(2.3 * number)
                    for r, name in enumerate(REGIONS)
                }
                facts = {"theme": f"t{theme}", "base_scene": f"s{scene}", "intended_target": target}
                rows.append({**facts, "direction": direction, **scores})
    return pd.DataFrame(rows)


# Shifts


def test_shifts_are_differences_within_scenes_averaged_within_themes():
    frame = formula_images()
    shifts = scene_shifts(frame, COLUMNS)
    assert (shifts.comparison, shifts.left_out, len(shifts.table)) == ("up - down", 0, 24)
    test = target_shift(shifts, "B", 1)
    values = []
    for _, theme in frame[frame["intended_target"] == "B"].groupby("theme"):
        up, down = (theme[theme["direction"] == side][COLUMNS].mean() for side in (1, -1))
        values.append(up - down)
    by_theme = pd.DataFrame(values).to_numpy()
    on, off = by_theme[:, 1], by_theme[:, [0, 2]].mean(axis=1)
    theirs = stats.ttest_1samp(on - off, 0.0)
    assert (test.on.estimate, test.off.estimate) == pytest.approx((on.mean(), off.mean()))
    assert test.specificity.t == pytest.approx(theirs.statistic)
    assert test.specificity.p == pytest.approx(max(theirs.pvalue, 2.0**-5))
    interval = theirs.confidence_interval()
    assert (test.specificity.low, test.specificity.high) == pytest.approx((interval.low, interval.high))
    cells = shift_cells(shifts, "B", REGIONS)
    assert [cell.shift for cell in cells] == pytest.approx(by_theme.mean(axis=0).tolist())


def test_all_targets_together_count_every_theme_once():
    shifts = scene_shifts(formula_images(), COLUMNS)
    overall = overall_specificity(shifts, {name: place for place, name in enumerate(REGIONS)})
    each = []
    for place, name in enumerate(REGIONS):
        means = shifts.by_theme(name)
        each.append(means[:, place] - np.delete(means, place, axis=1).mean(axis=1))
    theirs = stats.ttest_1samp(np.mean(each, axis=0), 0.0)
    assert overall.themes == 6
    assert (overall.estimate, overall.t) == pytest.approx((np.mean(each), theirs.statistic))


def test_images_guided_up_alone_are_compared_with_unguided_ones():
    frame = formula_images()
    frame.loc[frame["direction"] == -1, ["direction", "intended_target"]] = [0, ""]
    shifts = scene_shifts(frame, COLUMNS)
    assert shifts.comparison == "up - unguided"
    scene = frame[frame["base_scene"] == "s5"]
    expected = (
        scene[scene["intended_target"] == "C"][COLUMNS].mean()
        - scene[scene["direction"] == 0][COLUMNS].mean()
    )
    row = shifts.table[(shifts.table["base_scene"] == "s5") & (shifts.table["intended_target"] == "C")]
    assert row[COLUMNS].to_numpy()[0] == pytest.approx(expected.to_numpy())
    assert specificity_model(frame, COLUMNS, REGIONS).estimate > 0.5


def test_scenes_without_two_sides_are_left_out_and_counted():
    frame = formula_images()
    lonely = (frame["base_scene"] == "s7") & (frame["direction"] == -1) & (frame["intended_target"] == "A")
    shifts = scene_shifts(frame[~lonely], COLUMNS)
    assert (shifts.left_out, len(shifts.by_theme("A")), len(shifts.by_theme("B"))) == (1, 5, 6)
    with pytest.raises(InputError, match="no base scene"):
        scene_shifts(frame[frame["direction"] == 1], COLUMNS)


def test_few_themes_limit_what_p_can_be():
    test = theme_test(np.array([1.0, 1.01, 0.99, 1.0]))
    assert (test.p, test.limited, test.low) == (0.125, True, 0.0)
    assert theme_test(np.ones(8)).p is None
    with pytest.raises(InputError, match="2 themes"):
        theme_test(np.ones(2))


# The mixed model


def test_the_mixed_model_is_that_of_lme4():
    model = specificity_model(formula_images(), COLUMNS, REGIONS)
    assert (model.estimate, model.se) == pytest.approx((2.4794276134, 0.2740052486), abs=1e-6)
    expected = {
        "theme: mean": 0.1414126,
        "theme: specificity": 0.5528494,
        "image: intercept": 0.3136180,
        "scene: intercept": 0.0,
        "residual": 0.4233900,
    }
    assert model.sd == pytest.approx(expected, abs=2e-5)
    assert (model.df, model.singular, model.rows, model.images) == (5, True, 144, 48)


def test_the_mixed_model_is_refused_where_it_says_nothing():
    with pytest.raises(InputError, match="1 targets"):
        specificity_model(formula_images(), COLUMNS[:1], REGIONS[:1])


# Whose weights


def weights(name, subjects, features="f"):
    return Weights(name, features, None if subjects is None else frozenset(subjects))


@pytest.mark.parametrize(
    ("judge", "relation"),
    [
        (weights("guide", {"01"}), "guided"),
        (weights("other", {"01", "02"}), "shared"),
        (weights("other", {"02"}), "independent"),
        (weights("other", None), "unknown"),
    ],
)
def test_weights_are_told_apart_by_their_subjects(judge, relation):
    sources = ScoreSources({"A": judge}, {"r": (weights("guide", {"01"}),)})
    assert sources.relation("A", ["r"]) == relation
    assert sources.relation("B", ["r"]) == sources.relation("A", ["elsewhere"]) == "unknown"
    assert worst(["independent", relation]) == relation


def test_one_image_guided_by_a_judge_is_enough():
    sources = ScoreSources(
        {"A": weights("judge", {"02"})},
        {"r": (weights("guide", {"01"}),), "s": (weights("third", {"02", "03"}),)},
    )
    assert sources.relation("A", ["r"]) == "independent"
    assert sources.relation("A", ["r", "s"]) == "shared"
    assert sources.relation("A", ["r", "lost"]) == "unknown"


def test_an_export_tells_whose_weights_guided_and_judge(tmp_path):
    folder = SmallStudy(tmp_path).write()
    sources = read_score_sources(folder, load_manifest(folder))
    recipes = [path.stem for path in (folder / "recipes").iterdir()]
    assert set(sources.guides) == set(recipes)
    assert sources.scores["T0"].subjects == {"sub-T0"}
    by_t0 = [name for name in recipes if sources.guides[name][0].digest == sources.scores["T0"].digest]
    assert len(by_t0) == 4
    assert sources.relation("T0", by_t0) == "guided"
    assert sources.relation("T1", by_t0) == "independent"
    assert sources.same_features("T1", by_t0) is True


def test_what_an_export_left_out_stays_unknown(tmp_path):
    folder = SmallStudy(tmp_path).write(artifact_root=None)
    sources = read_score_sources(folder, load_manifest(folder))
    assert sources.scores["T1"].subjects is None
    assert sources.relation("T1", list(sources.guides)[:1]) in ("guided", "unknown")


# The question


def with_provenance(folder: Path, judges: dict[str, str]) -> Path:
    """Add recipes, targets and encoders to a made export, and scores by judges of the subjects named."""
    table = pd.read_csv(folder / "data" / "stimuli.csv", keep_default_na=False)
    rng = np.random.default_rng(3)
    digests = {}
    for name in TARGETS:
        digests[name] = add_target(folder, name, "01")
        if name in judges:
            own = table["intended_target"] == name
            table[f"score_{name}_judge"] = rng.normal(size=len(table)) + own * table["direction"]
            digests[f"{name}_judge"] = add_target(folder, f"{name}_judge", judges[name])
    table.to_csv(folder / "data" / "stimuli.csv", index=False, lineterminator="\n")
    (folder / "recipes").mkdir()
    for digest in table["recipe_digest"]:
        recipe = {"target_digests": {name: digests[name] for name in TARGETS}}
        (folder / "recipes" / f"{digest}.json").write_text(json.dumps(recipe))
    reseal(folder, score_targets=digests)
    return folder


def add_target(folder: Path, name: str, subject: str) -> str:
    digest, artifact = (
        hashlib.sha256(f"{what} {name}".encode()).hexdigest() for what in ("target", "artifact")
    )
    target = {"name": name, "sources": [artifact], "feature_space_digest": "f" * 64}
    (folder / "targets").mkdir(exist_ok=True)
    (folder / "targets" / f"{digest}.json").write_text(json.dumps(target))
    (folder / "artifacts" / artifact).mkdir(parents=True)
    (folder / "artifacts" / artifact / "artifact.json").write_text(json.dumps({"subject": subject}))
    return digest


def answer(folder: Path):
    context = make_context(read_study(folder), Settings(19, 1, 0.05))
    return QUESTION.run(context, Silent())


@pytest.fixture(scope="module")
def judged(tmp_path_factory):
    folder = make_export(
        tmp_path_factory.mktemp("judged") / "export", scenes=8, participants=4, permutations=19
    )
    return analyse_export(with_provenance(folder, dict.fromkeys(TARGETS, "02")))


def test_independent_judges_and_guides_are_reported_apart(judged, tmp_path):
    guides, judges = judged.data["on_off"]["sets"]
    assert (guides["role"], guides["relation"], guides["evidence"]) == ("guides", "guided", False)
    assert (judges["role"], judges["relation"], judges["evidence"]) == ("judges", "independent", True)
    assert judges["same_features"] is True
    assert [row["target"] for row in judges["targets"]] == sorted(TARGETS)
    assert len(judges["matrix"]) == 16
    # Without missing cells the mixed model has the estimate of the test over themes.
    assert judges["model"]["estimate"] == pytest.approx(judges["overall"]["estimate"], abs=1e-6)
    said = next(line for line in judged.headline if line.startswith("Predicted responses."))
    assert "Independent judge" in said
    report = (write_report(judged, tmp_path / "report").parent / "report.md").read_text(encoding="utf-8")
    assert "Manipulation check, no evidence: the weights that guided the images also judge them" in report
    assert (tmp_path / "report" / "figures" / "on_off_judges.svg").is_file()


def test_it_is_no_test_that_a_plan_could_call_primary(judged):
    assert "on_off" not in [row["test"] for row in judged.data["tests"]]


def test_guiding_weights_alone_are_called_a_manipulation_check(tmp_path):
    folder = make_export(tmp_path / "export", scenes=6, participants=4, permutations=19)
    result = plain_values(answer(with_provenance(folder, {})))
    assert "judges" in result["absent"]
    assert "Manipulation check, no evidence" in str(QUESTION.headline(result, 0.05))
    assert QUESTION.key_number(result) is None
    section = QUESTION.section("", result)
    assert section is not None
    assert "nothing here is evidence" in section.paragraphs[-1]


def test_a_judge_that_shares_a_subject_is_circular_in_part(tmp_path):
    folder = make_export(tmp_path / "export", scenes=6, participants=4, permutations=19)
    subjects = dict.fromkeys(TARGETS, "02") | {"CM": "01"}
    judges = answer(with_provenance(folder, subjects))["sets"][1]
    assert (judges["relation"], judges["evidence"]) == ("shared", False)
    assert judges["relations"] == {
        f"{name}_judge": "shared" if name == "CM" else "independent" for name in TARGETS
    }


def test_an_export_without_provenance_gives_no_evidence(tmp_path):
    row = answer(make_export(tmp_path / "export", scenes=6, participants=4, permutations=19))["sets"][0]
    assert (row["relation"], row["evidence"]) == ("unknown", False)


def test_scores_or_targets_that_lack_are_named(tmp_path):
    natural = make_export(tmp_path / "natural", scenes=6, participants=4, permutations=19, natural=True)
    with pytest.raises(NotApplicable, match="no image has an intended target"):
        answer(natural)
    bare = make_export(tmp_path / "bare", scenes=6, participants=4, permutations=19)
    table = pd.read_csv(bare / "data" / "stimuli.csv", keep_default_na=False)
    table.drop(columns=[f"score_{name}" for name in TARGETS]).to_csv(
        bare / "data" / "stimuli.csv", index=False, lineterminator="\n"
    )
    reseal(bare)
    with pytest.raises(NotApplicable, match=r"stimuli\.csv holds no predicted scores"):
        answer(bare)
    few = make_export(tmp_path / "few", scenes=2, participants=4, permutations=19)
    with pytest.raises(NotApplicable, match="at least 3"):
        answer(few)


def test_figures_have_a_cell_for_every_target_and_score(judged):
    with style():
        figures = QUESTION.figures(judged.data["on_off"])
    assert set(figures) == {"on_off_guides", "on_off_judges"}
    assert len([text for text in figures["on_off_judges"].axes[0].texts if " to " in text.get_text()]) == 16


def test_the_test_over_themes_holds_its_level_where_themes_suit_targets():
    """Prompts suit some targets more than others; over prompts there is nothing. Scenes are no units."""
    rejected = np.zeros(2)
    codes = np.array([(t, c, r, d) for t in range(8) for c in range(3) for r in range(3) for d in (1, -1)])
    theme, copy, region, side = codes.T
    scene = [f"{t}-{c}" for t, c in zip(theme, copy, strict=True)]
    facts = {"base_scene": scene, "intended_target": np.array(REGIONS)[region], "direction": side}
    own = {name: place for place, name in enumerate(REGIONS)}
    for seed in range(60):
        rng = np.random.default_rng([seed, 31])
        suits = rng.normal(size=(8, 3, 3))
        scores = side[:, None] * suits[theme, region] + rng.normal(0, 0.3, (len(codes), 3))
        frame = pd.DataFrame({**facts, **dict(zip(COLUMNS, scores.T, strict=True))})
        for row, units in enumerate((theme, scene)):
            rejected[row] += (
                overall_specificity(scene_shifts(frame.assign(theme=units), COLUMNS), own).p <= 0.05
            )
    # 60 null studies: 8 or more have a probability of .01 at 5 percent.
    assert rejected[0] < 8
    assert rejected[1] > 12
