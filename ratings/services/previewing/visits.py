"""A visit that is tried out: everything that a browser is shown follows from the link and from the answers
that the browser sends along each time. Answers are checked by what checks those of participants; nothing is
written to the database.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property, lru_cache
from typing import Any

from django.utils import timezone

from almond.design.assignment import make_lists
from almond.design.flow.branching import Standing, standing_of
from almond.design.plan import StudyPlan
from almond.design.trials import TRIAL_KINDS
from almond.design.trials.base import Answer, PlannedTrial, block_of
from almond.digest import digest_json
from almond.errors import InputError
from ratings.models import Participant, Trial
from ratings.recruiting.outcomes import Outcome
from ratings.services.answers import check_answer, read_answer, read_trial_id
from ratings.services.refusals import Malformed, NotNow, Reason, Unknown
from studies import texts
from studies.models import Study
from studies.services.dealing import trial_name
from studies.services.plans import build_plan
from studies.services.visit import ShownTrial, Visit, shown_images

MOST_ANSWERS = 5000
LARGEST_VISIT = 4 * 1024 * 1024
"""Bytes that a browser may send: all answers of a visit come with each."""


@dataclass(frozen=True)
class KeptAnswer:
    """An answer that a browser holds, and when it came, as it would be stored."""

    trial: Trial
    answer: Answer
    received_at: datetime

    @property
    def values(self) -> dict[str, Any]:
        return dict(getattr(self.answer, "values", {}))

    @property
    def side(self) -> str:
        return str(getattr(self.answer, "chosen", ""))


@dataclass(frozen=True)
class _Digested:
    """A plan that is known by its digest."""

    digest: str
    plan: StudyPlan = field(compare=False)


@lru_cache(maxsize=8)
def _lists_of(plan: _Digested, n_lists: int) -> list[list[PlannedTrial]]:
    return make_lists(plan.plan, n_lists)


def study_to_preview(pk: int, language: str) -> tuple[Study, StudyPlan]:
    """Return a study as it would be live in a language, and its plan; the row is not to be saved.

    :raises InputError: no such study, a draft that is not ready, or words that are missing in the language.
    """
    study = Study.objects.filter(pk=pk).first()
    if study is None:
        raise InputError("study", "is not here any more", "one that was not deleted")
    frozen = not study.is_draft and study.language == language
    study.language = language
    texts.follow_language(study)
    plan = study.frozen_plan if frozen else build_plan(study)
    study.state = Study.State.LIVE
    return study, plan


def dealt_trials(pk: int, number: int, plan: StudyPlan, *, n_lists: int) -> list[PlannedTrial]:
    """Return the trials of a list: as it was dealt when the plan was frozen, or from the plan now.

    :raises InputError: there is no such list.
    """
    study = Study.objects.only("state", "language", "n_lists").get(pk=pk)
    if not study.is_draft and study.language == plan.language:
        row = study.lists.filter(number=number).first()
        lists = {} if row is None else {number: [PlannedTrial.from_json(value) for value in row.trials]}
    else:
        lists = dict(enumerate(_lists_of(_Digested(plan.digest, plan), n_lists)))
    if number not in lists:
        raise InputError("list", f"is {number}", f"from 0 to {n_lists - 1}")
    return lists[number]


class PreviewedVisit:
    """A visit to one list of a study in one language."""

    def __init__(self, pk: int, number: int, language: str) -> None:
        """Build it from the design as it is now.

        :raises InputError: as ``study_to_preview``, or there is no such list.
        """
        self.study, self.plan = study_to_preview(pk, language)
        self.number = number
        n_lists = max(self.study.n_lists, len(self.plan.arms))
        self.planned = dealt_trials(pk, number, self.plan, n_lists=n_lists)

    @cached_property
    def participant(self) -> Participant:
        """Return who takes part; a row that is not stored. Of another design it is somebody else."""
        design = digest_json([self.plan.digest, self.number, self.study.n_lists])
        return Participant(
            study=self.study,
            name=f"preview-{design[:8]}",
            kind=Participant.Kind.PREVIEW,
            withdrawal_code="PREVIEW",
        )

    @cached_property
    def trials(self) -> list[Trial]:
        """Return the rows that joining would write, not stored."""
        digests = {name: stimulus.sha256 for name, stimulus in self.plan.stimulus_by_id.items()}
        return [
            Trial(
                index=trial.index,
                name=trial_name(self.participant.name, trial.index),
                block=trial.block,
                kind=trial.kind,
                planned=trial.to_json(),
                digests=[digests[name] for name in trial.stimuli],
            )
            for trial in self.planned
        ]

    def read_kept(self, values: object) -> list[KeptAnswer]:
        """Read the answers that a browser sent along, in the order in which they were given.

        :raises Refused: one that would not have been taken, or two of one trial.
        """
        if not isinstance(values, list) or len(values) > MOST_ANSWERS:
            raise Malformed("answers", "is no list of answers", f"at most {MOST_ANSWERS}")
        kept = []
        for value in values:
            if not isinstance(value, dict):
                raise Malformed("answers", "holds something else", "answers")
            body = dict(value)
            received_at = read_time("received_at", body.pop("received_at", None))
            kept.append(self.read_one(body, received_at))
        if len({one.trial.index for one in kept}) < len(kept):
            raise Malformed("answers", "answer a trial twice", "each trial once")
        return kept

    def read_one(self, body: Mapping[str, Any], received_at: datetime) -> KeptAnswer:
        """Check an answer as that of a participant is checked.

        :raises Refused: it does not fit the trial that was planned.
        """
        name = read_trial_id(body)
        trial = next((trial for trial in self.trials if trial.name == name), None)
        if trial is None:
            raise Unknown("trial_id", f"{name!r} is no trial", "a trial of the design as it is now")
        kind = TRIAL_KINDS.load(trial.kind)
        answer = read_answer(body, kind)
        check_answer(answer, kind, trial, block_of(self.plan, trial.block))
        return KeptAnswer(trial, answer, received_at)

    def standing(self, kept: Sequence[KeptAnswer]) -> Standing:
        """Return what is not asked any more, and what ended the visit."""
        return standing_of(self.plan, self.planned, {one.trial.index: one.values for one in kept})

    def visit(self, kept: Sequence[KeptAnswer]) -> Visit:
        """Return what the browser needs to go on."""
        done = {one.trial.index for one in kept}
        return Visit(
            study=self.study,
            plan=self.plan,
            live=True,
            trials=[
                ShownTrial.of(trial.name, trial.planned, trial.digests, done=trial.index in done)
                for trial in self.trials
            ],
            images=shown_images({name for trial in self.planned for name in trial.stimuli}),
            skipped=self.standing(kept).skipped,
        )

    def outcome(self, kept: Sequence[KeptAnswer]) -> Outcome | None:
        """Tell how the visit ends with these answers; None while it goes on."""
        standing = self.standing(kept)
        if len(kept) < len(self.planned) - len(standing.skipped):
            return None
        return Outcome.FINISHED if standing.ended_by is None else Outcome.SCREENED_OUT

    def finish(self, kept: Sequence[KeptAnswer]) -> Outcome:
        """Tell how the visit ended.

        :raises NotNow: trials are open.
        """
        outcome = self.outcome(kept)
        if outcome is None:
            problem = f"{len(self.planned) - len(kept)} trials are not answered yet"
            raise NotNow(self.participant.name, problem, "an answer to each", reason=Reason.UNFINISHED)
        return outcome


def read_time(name: str, value: object) -> datetime:
    """Read a moment that this site had written; now where there is none.

    :raises Malformed: it is none.
    """
    if value is None:
        return timezone.now()
    try:
        moment = datetime.fromisoformat(str(value))
    except ValueError as error:
        raise Malformed(name, f"is {str(value)[:40]!r}", "a time") from error
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
