"""A trial kind is one module and one line of the registry: a kind that only this file defines is everywhere.

The kind shows one image with two buttons, agree and disagree; its script lies beside this file.
"""

from __future__ import annotations

import html
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from django.urls import reverse
from pydantic import Field

from almond.analysis.study_data import read_study
from almond.design.assignment import make_lists
from almond.design.parts import PlannedBlock, PlannedPair, PlannedStimulus
from almond.design.plan import StudyPlan
from almond.design.trials import TRIAL_KINDS
from almond.design.trials.base import (
    Answer,
    PlannedTrial,
    Response,
    Row,
    TrialKind,
    TrialLists,
    own_settings,
)
from almond.design.trials.columns import CONSTRUCT, IMAGE_DIGEST, RECEIVED, RT, Column, TableSchema
from almond.design.trials.single_image import (
    STIMULUS_COLUMNS,
    shown_image_problems,
    shown_image_row,
    single_image_lists,
)
from almond.errors import InputError
from almond.evidence.export import read_export
from almond.evidence.simulated import simulate_study
from almond.evidence.table_writer import write_table
from almond.evidence.verify import first_broken, verify
from almond.exchange.layout import table_path
from almond.exchange.schema import table_schemas
from almond.shapes import DifferentTexts, Flag, Shape
from almond.world.raters import Latents, Rater
from jobs.services import enqueue, run_now
from ratings import services
from ratings.models import Participant
from ratings.models import Response as StoredResponse
from ratings.services.monitoring.replay import replay_of
from ratings.services.refusals import Malformed
from ratings.services.rehearsals.starting import start_rehearsal
from studies.models import Construct, Study
from studies.services import BlockSpec, create_study
from studies.services.presentation import blocks_json
from tests.almond.small_export import CREATED, SmallStudy
from tests.site.small_study import advance, answer_to, make_constructs, make_matched_set
from tests.site.test_studies_admin import at, study_form

STATIC = Path(__file__).parent / "static"


class AgreementBlock(PlannedBlock):
    labels: DifferentTexts = Field(
        ("Agree", "Disagree"), title="buttons", description="Two labels, one a line."
    )

    def contradictions(self) -> Iterator[tuple[str, str]]:
        if len(self.labels) != 2:
            yield "labels", f"are {len(self.labels)}, not 2"


class Agreement(Shape):
    agrees: Flag


class AgreementAnswer(Answer):
    values: Agreement


class AgreementTrials(TrialKind):
    name = "agreement"
    script = "js/trials/agreement.js"
    block = AgreementBlock
    answer = AgreementAnswer
    table = TableSchema(
        "agreements",
        (
            *STIMULUS_COLUMNS,
            CONSTRUCT,
            Column("agrees", "flag", "1 when the participant agreed.", range="0 or 1"),
            RT,
            IMAGE_DIGEST,
            RECEIVED,
        ),
        sorted_by=("participant_id", "trial_index"),
        unique=("response_id",),
    )

    def items(
        self, block: PlannedBlock, stimuli: Sequence[PlannedStimulus], pairs: Sequence[PlannedPair]
    ) -> tuple[PlannedStimulus, ...]:
        return tuple(stimuli)

    def make_lists(
        self, plan: StudyPlan, block: PlannedBlock, before: TrialLists, rng: np.random.Generator
    ) -> list[list[PlannedTrial]]:
        return single_image_lists(plan, block, before, rng)

    def instructions(self, block: PlannedBlock) -> str:
        return f"You will see {block.trials} pictures.\n\nDo you agree?"

    def seconds(self, block: PlannedBlock) -> float:
        return 2.0

    def summary(self, plan: StudyPlan, block: PlannedBlock) -> list[str]:
        return [f"{block.trials} images, two buttons"]

    def shown(self, block: AgreementBlock) -> dict[str, Any]:
        return own_settings(block)

    def rows(self, plan: StudyPlan, response: Response) -> list[Row]:
        return [
            {
                **shown_image_row(plan, response),
                "construct": response.trial.constructs[0],
                "agrees": int(response.values["agrees"]),
            }
        ]

    def row_problems(
        self, plan: StudyPlan, stimuli: Mapping[str, Mapping[str, Any]], row: Mapping[str, Any]
    ) -> Iterator[str]:
        return shown_image_problems(stimuli, row)

    def simulate(
        self, rater: Rater, trial: PlannedTrial, block: PlannedBlock, percepts: Mapping[str, Latents]
    ) -> dict[str, Any]:
        rating = rater.rate(percepts[str(trial.stimulus)], trial.constructs[:1])
        return {"values": {"agrees": rating.values[0] > 50}, "rt_ms": rating.rt_ms}


TRIAL_KIND = AgreementTrials()


@pytest.fixture(autouse=True)
def registered() -> Iterator[None]:
    with TRIAL_KINDS.registered("agreement", f"{__name__}:TRIAL_KIND", "agree or disagree"):
        yield


def agreement_block(**fields: Any) -> dict[str, Any]:
    block = {"kind": "agreement", "name": "agreements", "trials": 6, "constructs": ["threat"], "repeats": 2}
    return {**block, **fields}


def with_agreements(plan: StudyPlan) -> StudyPlan:
    values = plan.to_json()
    return StudyPlan.from_json({**values, "blocks": [*values["blocks"], agreement_block()]})


def test_plans_and_lists_have_trials_of_it(tmp_path: Path) -> None:
    plan = with_agreements(SmallStudy(tmp_path).plan)
    assert StudyPlan.from_bytes(plan.to_bytes()) == plan
    assert plan.kinds == ("rating", "choice", "agreement")
    for trials in make_lists(plan, 3):
        agreements = [trial for trial in trials if trial.kind == "agreement"]
        assert len(agreements) == 6
        assert sum(trial.repeat for trial in agreements) == 2
    with pytest.raises(InputError, match="asks for 98 different stimuli, the plan has 8"):
        StudyPlan.from_json({**plan.to_json(), "blocks": [agreement_block(trials=100)]})


def test_simulated_participants_answer_it_and_an_export_carries_it(tmp_path: Path) -> None:
    study = SmallStudy(tmp_path)
    plan = with_agreements(study.plan)
    rng = np.random.default_rng(1)
    answered = simulate_study(
        plan,
        make_lists(plan, 2),
        {stimulus.id: rng.uniform(size=16) for stimulus in plan.stimuli},
        n_participants=3,
        seed=1,
        start=datetime.fromisoformat(CREATED).astimezone(UTC),
    )
    assert len(answered["agreements"]) == 18
    participants = answered.pop("participants")
    folder = study.write(plan=plan, participants=participants, responses=answered)
    codebook = pd.read_csv(folder / "codebook.csv", keep_default_na=False)
    described = codebook[codebook["table"] == "agreements"]
    assert list(described["column"]) == [column.name for column in TRIAL_KIND.table.columns]
    assert read_export(folder).tables["agreements"]["agrees"].isin([0, 1]).all()
    assert first_broken(verify(folder)) is None
    assert len(read_study(folder).participants) == 3


def test_an_export_without_it_has_no_table_of_it(tmp_path: Path) -> None:
    folder = SmallStudy(tmp_path).write()
    assert not table_path(folder, "agreements").exists()
    assert set(table_schemas()) == {"participants", "ratings", "choices", "stimuli"}


def live_study(**fields: Any) -> Study:
    constructs = list(Construct.objects.order_by("name")) or make_constructs()
    study = create_study(
        title="Do you agree?",
        slug="agree",
        participants_planned=4,
        n_lists=2,
        matched_set=make_matched_set(),
        unmatched_reason="Pairs of a test, made without matching.",
        blocks=[BlockSpec("agreement", "agreements", constructs[:1], 3)],
        by=None,
        **fields,
    )
    return advance(study, Study.State.LIVE)


def agree(participant: Participant, index: int, **values: Any) -> services.Recorded:
    body = answer_to(participant.trials.get(index=index), values=values)
    body.pop("chosen")
    return services.record_response(participant=participant, body=body)


@pytest.mark.django_db
def test_the_form_of_a_study_offers_it(staff_client: Any) -> None:
    page = staff_client.get(reverse("admin:studies_study_add")).content.decode()
    assert '<option value="agreement">agree or disagree</option>' in page
    study = live_study()
    page = staff_client.get(reverse("admin:studies_study_change", args=[study.pk])).content.decode()
    assert "3 images, two buttons" in page
    preview = staff_client.get(reverse("admin:studies_study_preview", args=[study.pk])).content.decode()
    assert "/static/js/trials/agreement.js" in preview


def posted(**fields: Any) -> dict[str, Any]:
    """A study of one block of this kind, as a browser posts it."""
    constructs = [row.pk for row in Construct.objects.all() or make_constructs()]
    block = {"kind": "agreement", "trials": 2, "constructs": constructs[:1], **fields}
    own = {f"blocks-0-{name}": value for name, value in block.items()}
    return study_form(matched_set=make_matched_set().pk, **own)


@pytest.mark.django_db
def test_the_settings_of_its_block_are_typed_in_the_form_and_reach_the_page(staff_client: Any) -> None:
    staff_client.post(reverse("admin:studies_study_add"), posted(agreement_labels="Ja\r\n\r\n Nein "))
    study = Study.objects.get()
    assert study.blocks.get().settings == {"labels": ["Ja", "Nein"]}
    page = html.unescape(staff_client.get(at("change", study)).content.decode())
    assert "Ja\nNein</textarea>" in page
    frozen = advance(study, Study.State.FROZEN)
    assert frozen.frozen_plan.blocks[0].labels == ("Ja", "Nein")  # type: ignore[attr-defined]
    assert blocks_json(frozen, frozen.frozen_plan)[0]["shown"] == {"labels": ["Ja", "Nein"]}
    page = html.unescape(staff_client.get(at("change", frozen)).content.decode())
    assert "buttons: Ja / Nein" in page
    assert "agreement_labels" not in page


@pytest.mark.django_db
def test_a_wrong_setting_is_refused_at_its_field(staff_client: Any) -> None:
    page = staff_client.post(reverse("admin:studies_study_add"), posted(agreement_labels="Yes"))
    (form,) = page.context["inline_admin_formsets"][0].formset.forms
    assert form.errors == {"agreement_labels": ["buttons are 1, not 2"]}
    assert not Study.objects.exists()


@pytest.mark.django_db
def test_answers_are_checked_and_stored_and_exported(tmp_path: Path) -> None:
    study = live_study(rehearsal=True)
    participant = services.join(study=study).participant
    with pytest.raises(Malformed, match=r"values\.agrees: is 'yes' \(expected true or false\)"):
        agree(participant, 0, agrees="yes")
    assert agree(participant, 0, agrees=True).outcome == "stored"
    assert StoredResponse.objects.get().values == {"agrees": True}
    replayed = replay_of(participant).trials[0]
    assert replayed.said == [("construct", "threat"), ("agrees", "yes")]
    assert len(replayed.pictures) == 1
    arguments = {"study": study.pk, "participants": 2, "seed": 1}
    job = run_now(enqueue(kind="ratings.simulate", arguments=arguments, by=None))
    assert job.state == "done", job.traceback
    exported = services.export_tables(study)
    assert len(exported["agreements"]) == 7
    table = table_schemas(study.frozen_plan.kinds)["agreements"]
    assert write_table(tmp_path, table, exported["agreements"]).rows == 7


@pytest.mark.django_db
def test_a_rehearsal_has_its_people_answer_it_and_compares_its_columns() -> None:
    study = live_study()
    asked = {"people": 3, "pages": 0, "studies": 0, "psychology": {"effects": {"threat": 1.0}}}
    row = start_rehearsal(study=study, asked=asked, by=None)
    job = run_now(row.job)  # type: ignore[arg-type]
    assert job.state == "done", job.traceback
    row.refresh_from_db()
    (check,) = (check for check in row.result["checks"] if check["kind"] == "agreement")
    assert check["differ"] == 0
    assert {"agrees", "image_sha256"} <= {column["column"] for column in check["columns"]}
    answered = StoredResponse.objects.filter(trial__participant__study=row.copy)
    assert check["stored"] == answered.count() > 3
