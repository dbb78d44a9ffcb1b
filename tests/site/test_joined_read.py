"""Reading several tables at once gives what the ORM gives, in one statement."""

from __future__ import annotations

from typing import Any

import pytest
from django.db.models import Model

from lab.joined_read import JoinedRead, columns_of
from ratings import services
from ratings.models import Participant, Response, Trial
from ratings.statements import find_asked, find_participant
from studies.models import Study, StudyLog
from tests.site.small_study import answer_to, make_study

pytestmark = pytest.mark.django_db


def loaded(row: Model) -> dict[str, Any]:
    """The fields that were read, as the instance holds them."""
    deferred = row.get_deferred_fields()
    return {name: getattr(row, name) for name in columns_of(type(row)) if name not in deferred}


def as_the_orm_reads(row: Any) -> dict[str, Any]:
    plain = type(row).objects.get(pk=row.pk)
    return {name: getattr(plain, name) for name in loaded(row)}


def test_a_trial_is_read_with_all_that_its_answer_depends_on(django_assert_num_queries: Any) -> None:
    participant = services.join(study=make_study()).participant
    first, second, third = participant.trials.order_by("index")[:3]
    for trial in (first, third):
        services.record_response(participant=participant, body=answer_to(trial))
    for trial in (first, second, third):
        with django_assert_num_queries(1):
            asked = find_asked(trial.name)
        assert asked is not None
        assert asked.entry is not None
        with django_assert_num_queries(0):
            rows = [asked.trial, asked.trial.participant, asked.study, asked.entry]
        for row in rows:
            assert loaded(row) == as_the_orm_reads(row)
        assert asked.entry == StudyLog.objects.last_of(participant.study_id, participant.name)
        stored = Response.objects.filter(trial=trial).first()
        assert asked.response == stored
        if asked.response is not None:
            assert loaded(asked.response) == as_the_orm_reads(asked.response)
            with django_assert_num_queries(0):
                assert asked.response.trial is asked.trial
        assert asked.earlier_open == (trial == third)


def test_a_participant_is_read_with_the_study_but_for_its_large_texts(django_assert_num_queries: Any) -> None:
    joined = services.join(study=make_study())
    with django_assert_num_queries(1):
        participant = find_participant(joined.participant.token_digest)
        assert participant is not None
        study = participant.study
    assert loaded(participant) == as_the_orm_reads(participant)
    assert loaded(study) == as_the_orm_reads(study)
    assert study.get_deferred_fields() == set(Participant.LARGE)


@pytest.mark.parametrize("value", ["nothing", "' OR 1=1 --", "%s", "a%"])
def test_the_value_is_a_parameter_and_an_unknown_one_is_none(value: str) -> None:
    services.join(study=make_study())
    assert find_asked(value) is None
    assert find_participant(value) is None


def test_an_extra_column_is_returned_by_its_name_and_a_row_that_is_not_there_as_none() -> None:
    study = make_study()
    read = JoinedRead(
        "FROM studies_study study LEFT JOIN ratings_trial trial ON trial.id = -1 WHERE study.slug = %s",
        {"study": (Study, ("title", "id")), "trial": (Trial, ("id", "planned"))},
        {"twice": "study.n_lists * 2"},
    )
    rows = read.first(study.slug)
    assert rows is not None
    assert (rows["study"].title, rows["trial"], rows["twice"]) == (study.title, None, 2 * study.n_lists)


def test_a_name_that_is_no_column_is_refused() -> None:
    with pytest.raises(ValueError, match="Trial has no columns response, titel"):
        columns_of(Trial, only=["id", "titel", "response"])
