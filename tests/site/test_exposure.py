"""Every image is rated, and every pair chosen from, as often as planned, whoever leaves on the way."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase

from almond.design.assignment import make_lists
from ratings import services
from ratings.models import Participant, Response
from ratings.services import slots
from ratings.services.refusals import NotNow
from studies.models import Study
from tests.site.small_study import answer_to, make_study

Status = Participant.Status
DROPS = ("", "", "", "withdraw", "time out", "return")
"""How a visit goes: mostly to its end."""
PHASES = (Phase.explicit, Phase.generate)
"""Studies are slow to make: an example that fails is shown as it was found."""


def visit(study: Study, drop: str, answers: int) -> None:
    """Come, answer some trials, and leave so; or answer all of them and finish."""
    person = services.join(study=study).participant
    trials = list(person.trials.order_by("index"))
    for trial in trials if not drop else trials[: answers % len(trials)]:
        services.record_response(participant=person, body=answer_to(trial))
    if not drop:
        services.finish(participant=person)
    elif drop == "withdraw":
        services.withdraw(participant=person)
    elif drop == "time out":
        slots.release_slot(person, Status.TIMED_OUT)
    else:
        slots.reopen_slot(person)


class RandomDropOuts(TestCase):
    @settings(max_examples=5, deadline=None, suppress_health_check=[HealthCheck.too_slow], phases=PHASES)
    @given(
        st.lists(st.tuples(st.sampled_from(DROPS), st.integers(0, 6)), max_size=8),
        st.integers(1, 4),
        st.integers(2, 6),
    )
    def test_every_list_is_finished_as_often_as_the_others_within_one(
        self, visits: list[tuple[str, int]], lists: int, people: int
    ) -> None:
        lists = min(lists, people)
        study = make_study(n_lists=lists, participants_planned=people)
        for drop, answers in visits:
            if study.participants.filter(status__in=Participant.DONE).count() < people:
                visit(study, drop, answers)
        while study.participants.filter(status__in=Participant.DONE).count() < people:
            visit(study, "", 0)
        with pytest.raises(NotNow):
            services.join(study=study)

        done = study.participants.filter(status__in=Participant.DONE)
        finished = Counter(done.values_list("assignment__number", flat=True))
        fewest, most = people // lists, -(-people // lists)
        assert all(fewest <= finished[number] <= most for number in range(lists))
        answers_of = Response.objects.filter(trial__participant__in=done)
        stored = Counter(shown(planned) for planned in answers_of.values_list("trial__planned", flat=True))
        planned = [
            Counter(shown(trial.to_json()) for trial in trials)
            for trials in make_lists(study.frozen_plan, lists)
        ]
        for name in set().union(*planned):
            in_lists = sum(times[name] for times in planned)
            assert stored[name] >= fewest * in_lists
            assert stored[name] <= most * in_lists
        Study.objects.all().update(state="closed")


def shown(planned: Mapping[str, Any]) -> str:
    """What a trial shows: an image or a pair."""
    return str(planned["pair"] if planned["kind"] == "choice" else planned["stimulus"])
