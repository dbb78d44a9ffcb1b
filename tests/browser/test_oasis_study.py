"""Photographs that nobody here made, from a folder on the server to a report, in a real browser.

The OASIS photographs and norms: where a copy of them is at hand (``ALMOND_REAL_DATA``).
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from django.urls import reverse

from almond.evidence.verify import verify
from almond.exchange.layout import table_path
from analysis.models import AnalysisRun, Export
from encoder.models import Target
from generation.models import ImageSet, Stimulus
from ratings.models import Participant, Response
from studies.models import Study
from tests.browser.oasis_lab import REGIONS, Desk, make_targets, run_waiting
from tests.browser.test_take_part import begin_block, consent, rate_with_mouse

ROOT = os.environ.get("ALMOND_REAL_DATA", "")
DATA = Path(ROOT) / "oasis"

pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(
        not ROOT or not DATA.is_dir(), reason="needs the OASIS photographs: set ALMOND_REAL_DATA"
    ),
]
IMAGES, TRIALS, PEOPLE = 120, 6, 2
RATED = ("pleasantness", "threat")


def test_photographs_from_the_folder_to_the_report(
    visit: Any, experimenter: Any, tmp_path: Path, settings: Any
) -> None:
    settings.ALMOND_HOME, settings.DATA_ROOTS = tmp_path / "home", [DATA]
    targets = make_targets(tmp_path / "brains")
    desk = Desk(visit(1400, 1000))
    desk.log_in("experimenter", "a long enough password")
    bring_in(desk)
    score(desk, targets)
    make_constructs(desk)
    study = make_study(desk)
    for number in range(PEOPLE):
        take_part(visit(), study, number)
    check_answers(study)
    desk.open(reverse("admin:studies_study_change", args=[study.pk]))
    desk.press("Close")
    export = make_export(desk, study)
    check_export(export)
    run = analyse(desk, export)
    check_report(desk, run)
    assert desk.visit.complaints == []


def bring_in(desk: Desk) -> None:
    """The norms file has bare CR line ends, and rows for photographs that are not in the folder."""
    desk.open(reverse("admin:generation_imageset_add"))
    desk.fill(name="OASIS", folder=DATA / "images", norms_file=DATA / "OASIS.csv")
    desk.save()
    run_waiting()
    image_set = ImageSet.objects.get()
    assert image_set.stimuli.count() == IMAGES
    assert {"Valence_mean", "Arousal_mean"} <= set(image_set.norms)


def score(desk: Desk, targets: list[Target]) -> None:
    image_set = ImageSet.objects.get()
    desk.open(reverse("admin:generation_imageset_change", args=[image_set.pk]))
    assert desk.page.get_by_role("img", name="Acorns 1.jpg").is_visible()
    desk.press("Score by these targets")
    run_waiting()
    digests = {target.name: target.digest for target in targets}
    for stimulus in image_set.stimuli.all():
        assert set(stimulus.scores) == set(REGIONS)
        assert stimulus.score_digests == digests
    desk.page.reload()
    desk.page.get_by_text("Scores against norms").wait_for()
    assert desk.page.locator(".al-card svg").count() >= 1


def make_constructs(desk: Desk) -> None:
    for name in RATED:
        desk.open(reverse("admin:studies_construct_add"))
        desk.fill(name=name, question=f"How much {name}?", low="none", high="very much")
        desk.save()


def make_study(desk: Desk) -> Study:
    """A study with a rating block, made, frozen and opened in the admin."""
    desk.open(reverse("admin:studies_study_add"))
    desk.fill(title="Photographs", participants_planned=PEOPLE, n_lists=PEOPLE, permutations=199)
    desk.choose(image_set="OASIS")
    desk.page.get_by_role("link", name="Add another Block").click()
    desk.choose(**{"blocks-0-kind": "sliders"})
    desk.fill(**{"blocks-0-name": "ratings", "blocks-0-trials": TRIALS})
    for name in RATED:
        desk.page.locator("#id_blocks-0-constructs").get_by_label(name).check()
    desk.save()
    study = Study.objects.get()
    assert (study.slug, study.state) == ("photographs", Study.State.DRAFT)
    desk.open(reverse("admin:studies_study_change", args=[study.pk]))
    desk.press("Freeze")
    desk.page.get_by_text("Open without a passed rehearsal").click()
    desk.page.locator("#rehearsals").get_by_label("Why").fill("Two people take part in a test.")
    desk.press("Open")
    study.refresh_from_db()
    assert study.state == Study.State.LIVE
    assert len(study.frozen_plan.stimuli) == IMAGES
    return study


def take_part(here: Any, study: Study, number: int) -> None:
    """Other answers for every trial and person, so that there is something to correlate."""
    consent(here, study)
    begin_block(here)
    for trial in range(TRIALS):
        rate_with_mouse(here, (0.1 + 0.12 * trial + 0.05 * number, 0.9 - 0.1 * trial))
    here.page.wait_for_url("**/done")
    person = Participant.objects.order_by("pk").last()
    assert person is not None
    assert here.page.locator("#code").inner_text() == person.completion_code
    assert here.complaints == []


def check_answers(study: Study) -> None:
    people = list(study.participants.order_by("pk"))
    assert [person.status for person in people] == [Participant.Status.FINISHED] * PEOPLE
    responses = list(Response.objects.select_related("trial"))
    assert len(responses) == PEOPLE * TRIALS
    photographs = set(Stimulus.objects.values_list("digest", flat=True))
    for response in responses:
        assert set(response.values) == set(RATED)
        assert response.digests == response.trial.digests
        assert set(response.digests) <= photographs
        assert response.rt_ms > 0


def make_export(desk: Desk, study: Study) -> Export:
    desk.open(reverse("admin:analysis_export_add"))
    desk.choose(study=study.title)
    desk.save()
    run_waiting()
    export = Export.objects.get()
    assert export.is_ready
    return export


def check_export(export: Export) -> None:
    """Norms as they stand in the published file, photographs byte for byte, every link whole."""
    stimuli = pd.read_csv(table_path(export.path, "stimuli")).set_index("base_scene")
    assert len(stimuli) == IMAGES
    assert stimuli.loc["Acorns 1.jpg", "norm_Valence_mean"] == pytest.approx(4.68627451)
    assert stimuli.loc["Acorns 1.jpg", "norm_Arousal_mean"] == pytest.approx(2.346534653)
    assert stimuli[["norm_Valence_mean", *(f"score_{name}" for name in REGIONS)]].notna().all().all()
    assert stimuli["recipe_digest"].isna().all()
    kept = export.path / str(stimuli.loc["Acorns 1.jpg", "file"])
    assert kept.read_bytes() == (DATA / "images" / "Acorns 1.jpg").read_bytes()
    ratings = pd.read_csv(table_path(export.path, "ratings"))
    assert len(ratings) == PEOPLE * TRIALS * len(RATED)
    assert ratings["image_sha256"].isin(stimuli["image_sha256"]).all()
    checks = verify(export.path)
    assert [check.link for check in checks if not check.ok] == []
    assert {check.link: check.count for check in checks}["files have their bytes"] > IMAGES


def analyse(desk: Desk, export: Export) -> AnalysisRun:
    desk.open(reverse("admin:analysis_export_change", args=[export.pk]))
    desk.press("Analyse as planned")
    run_waiting()
    run = AnalysisRun.objects.get()
    assert run.mode == "confirmatory"
    assert {row["analysis"] for row in run.result["not_run"]} >= {"classification", "choices"}
    found = run.result["natural"]
    assert {row["predictor"] for row in found["scores"]["associations"]} == {
        f"score_{one}" for one in REGIONS
    }
    expected = correlations_with_norms(export)
    for row in found["norms"]["associations"]:
        name = row["predictor"], row["construct"]
        assert row["r"] == pytest.approx(expected.loc[name], abs=1e-9), name
    return run


def correlations_with_norms(export: Export) -> pd.DataFrame:
    """Norm by judgement: Pearson r over images with ratings standardised within person, by pandas alone."""
    ratings = pd.read_csv(table_path(export.path, "ratings"))
    grouped = ratings.groupby(["participant_id", "construct"])["value"]
    ratings["z"] = (ratings["value"] - grouped.transform("mean")) / grouped.transform("std")
    means = ratings.pivot_table(index="stimulus_id", columns="construct", values="z", aggfunc="mean")
    stimuli = pd.read_csv(table_path(export.path, "stimuli")).set_index("stimulus_id")
    norms = stimuli.loc[means.index].filter(like="norm_")
    return pd.concat([norms, means], axis=1).corr().loc[norms.columns, list(means.columns)]


def check_report(desk: Desk, run: AnalysisRun) -> None:
    """What ran, and why the rest did not, in words on the page."""
    desk.page.reload()
    desk.page.get_by_role("link", name="Read the report").click()
    desk.page.get_by_role(
        "heading", name="Do predicted responses correlate with ratings of natural images?"
    ).wait_for()
    desk.visit.shot("report-photographs")
    words = desk.page.locator(".al-report").inner_text()
    assert "Natural images: Pearson correlations over stimuli" in words
    assert (
        "Classification did not run: no rated image was manipulated towards a higher predicted response"
    ) in words
    assert "Choices did not run: the export holds no choices." in words
    assert "rehearsed before it was opened" in words
    assert "Two people take part in a test." in words
