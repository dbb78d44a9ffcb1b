"""What a participant's browser receives: packed so that each thing is sent once, and nothing lost by it."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from django.test import Client

from benchmarks.visits import unpacked
from generation.models import Stimulus
from ratings import services
from ratings.models import Participant
from ratings.services import Joined
from ratings.services.presentation import visit_of
from studies.services import pause
from tests.site.small_study import answer_to, make_study

pytestmark = pytest.mark.django_db


@pytest.fixture
def participant(db: None) -> Participant:
    """Seven trials of two blocks, one of them repeated; the first two are answered."""
    joined = services.join(study=make_study(repeats=1))
    for trial in joined.participant.trials.filter(index__lt=2):
        services.record_response(participant=joined.participant, body=answer_to(trial))
    return Participant.objects.get(pk=joined.participant.pk)


@pytest.fixture
def joined_again(participant: Participant) -> Joined:
    return services.join(study=participant.study)


def test_unpacked_a_visit_holds_what_the_tables_hold(participant: Participant) -> None:
    visit = unpacked(json.loads(json.dumps(visit_of(participant).to_json())))
    rows = list(participant.trials.order_by("index"))
    assert [row.index for row in rows] == list(range(len(rows)))
    for row, trial in zip(rows, visit["trials"], strict=True):
        assert trial == {
            "id": row.name,
            "block": row.block,
            "kind": row.kind,
            "constructs": row.planned["constructs"],
            "question": row.planned["question"],
            "images": row.digests,
            "done": row.index < 2,
        }
    shown = {digest for row in rows for digest in row.digests}
    assert visit["images"] == {
        row.digest: {"url": row.url, "width": row.width, "height": row.height}
        for row in Stimulus.objects.filter(digest__in=shown)
    }


def test_no_digest_and_no_question_is_sent_twice(participant: Participant) -> None:
    packed = visit_of(participant).to_json()
    text = json.dumps({name: packed[name] for name in ("images", "asked", "trials", "done")})
    questions = {trial["question"] for trial in unpacked(packed)["trials"]} - {None}
    assert {text.count(question) for question in questions} == {1}
    assert re.search(r"[0-9a-f]{64}", text) is None
    rows = packed["images"]["rows"]
    assert len({trial["images"][0] for trial in unpacked(packed)["trials"]}) <= len(rows)


def hints(page: Any, relation: str) -> list[str]:
    """The addresses that a page tells the browser to fetch."""
    return re.findall(rf'<link rel="{relation}"[^>]* href="([^"]+)"', page.content.decode())


def test_the_page_hints_at_the_images_of_the_first_open_trial(client: Client, joined_again: Joined) -> None:
    address = f"/take/{joined_again.token}/"
    trials = joined_again.participant.trials.order_by("index")
    for trial in trials:
        urls = [Stimulus.objects.filter(digest=digest)[0].url for digest in dict.fromkeys(trial.digests)]
        assert hints(client.get(address), "preload") == urls
        services.record_response(participant=joined_again.participant, body=answer_to(trial))
    assert hints(client.get(address), "preload") == []


def test_a_resting_study_hints_at_nothing(client: Client, joined_again: Joined) -> None:
    pause(study=joined_again.participant.study, by=None)
    assert hints(client.get(f"/take/{joined_again.token}/"), "preload") == []


def test_scripts_come_while_the_consent_is_read(client: Client, joined_again: Joined) -> None:
    study = joined_again.participant.study
    trials = client.get(f"/take/{joined_again.token}/").content.decode()
    wanted = set(re.findall(r'src="([^"]+)"', trials)) | set(
        re.findall(r'modulepreload" href="([^"]+)"', trials)
    )
    fetched = hints(client.get(study.join_path), "prefetch")
    assert len(fetched) == len(set(fetched)) == 4
    assert set(fetched) == wanted
    pause(study=study, by=None)
    assert hints(Client().get(study.join_path), "prefetch") == []
