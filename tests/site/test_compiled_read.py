"""A read compiled once gives what ``select_related`` and ``defer`` give, in one statement."""

from __future__ import annotations

from typing import Any

import pytest
from django.db.models import Model

from ratings import services
from ratings.models import Trial
from ratings.services.recording import TRIAL_TO_ANSWER
from tests.site.small_study import answer_to, make_study

pytestmark = pytest.mark.django_db


def loaded(row: Model) -> dict[str, Any]:
    """The fields that were read, as the instance holds them."""
    deferred = row.get_deferred_fields()
    return {
        field.attname: getattr(row, field.attname)
        for field in row._meta.concrete_fields
        if field.attname not in deferred
    }


def test_it_reads_what_the_queryset_reads(django_assert_num_queries: Any) -> None:
    participant = services.join(study=make_study()).participant
    first, second, third = participant.trials.order_by("index")[:3]
    for trial in (first, third):
        services.record_response(participant=participant, body=answer_to(trial))
    for name in (first.name, second.name, third.name):
        plain = Trial.objects.to_answer().get(name=name)
        with django_assert_num_queries(1):
            row = TRIAL_TO_ANSWER.first(name)
            assert row is not None
            assert loaded(row) == loaded(plain)
            assert loaded(row.participant) == loaded(plain.participant)
            assert loaded(row.participant.study) == loaded(plain.participant.study)
            assert hasattr(row, "response") == hasattr(plain, "response") == (name != second.name)
            if hasattr(row, "response"):
                assert loaded(row.response) == loaded(plain.response)
                assert row.response.trial is row
        assert row.earlier_open == plain.earlier_open == (name == third.name)  # type: ignore[attr-defined]


def test_the_value_is_a_parameter_and_an_unknown_one_is_none() -> None:
    assert TRIAL_TO_ANSWER.first("nothing") is None
    assert TRIAL_TO_ANSWER.first("' OR 1=1 --") is None
