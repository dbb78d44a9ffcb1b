"""The statements of a participant's visit: an answer has two, one that reads all that it depends on, and one
that stores all that comes of it.

They are written by hand and never change, so that PostgreSQL plans them once per connection. Their cost does
not grow with the number of trials or stimuli: every part is found by an index, and whether a trial before
this one is open is looked for from ``Participant.answered_below`` on, which follows the answers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import connection
from django.db.models import Model

from lab.joined_read import JoinedRead, columns_of
from lab.written_together import write_together
from ratings.models import Participant, Response, Trial
from studies.models import Study, StudyLog

PARTICIPANT = JoinedRead(
    """
    FROM ratings_participant participant
    JOIN studies_study study ON study.id = participant.study_id
    WHERE participant.token_digest = %s
    """,
    {
        "participant": (Participant, columns_of(Participant)),
        "study": (Study, columns_of(Study, but=Participant.LARGE)),
    },
)

JOINABLE = JoinedRead(
    "FROM studies_study study WHERE study.slug = %s AND study.state <> 'draft'",
    {"study": (Study, columns_of(Study, but=("plan", "debriefing")))},
)

OF_STUDY = (
    *("id", "title", "state", "closed_at", "timeout_minutes", "grace_minutes", "most_attempts"),
    "plan_digest",
)
NOT_ASKED = (
    "last_seen_at",
    "finished_at",
    "completion_code",
    "withdrawal_code",
    "erased_at",
    "events_over",
    "attempts_over",
)
"""Of the participant's row, what an answer does not depend on."""
ASKED = JoinedRead(
    """
    FROM ratings_trial trial
    JOIN ratings_participant participant ON participant.id = trial.participant_id
    JOIN studies_study study ON study.id = participant.study_id
    LEFT JOIN ratings_response response ON response.trial_id = trial.id
    LEFT JOIN studies_studylog entry ON entry.id = (
        SELECT id FROM studies_studylog WHERE study_id = participant.study_id AND chain = participant.name
        ORDER BY number DESC LIMIT 1
    )
    WHERE trial.name = %s
    """,
    {
        "trial": (Trial, columns_of(Trial, but=["block"])),
        "participant": (Participant, columns_of(Participant, but=NOT_ASKED)),
        "study": (Study, OF_STUDY),
        "response": (Response, columns_of(Response, but=["late", "marks"])),
        "entry": (StudyLog, columns_of(StudyLog)),
    },
    {
        "earlier_open": """EXISTS (
            SELECT 1 FROM ratings_trial earlier
            LEFT JOIN ratings_response answer ON answer.trial_id = earlier.id
            WHERE earlier.participant_id = trial.participant_id
                AND earlier."index" >= participant.answered_below AND earlier."index" < trial."index"
                AND answer.id IS NULL
        )"""
    },
)

SEEN = """
UPDATE ratings_participant SET attempts_made = attempts_made + %s, attempts_over = attempts_over + %s,
    answered_below = %s, last_seen_at = %s
WHERE id = %s AND status <> 'withdrawn'
"""


@dataclass(frozen=True)
class Asked:
    """A trial that is answered and all that its answer depends on, as they are now.

    ``entry`` is the last of the participant's log; ``earlier_open`` tells whether a trial before this one has
    no response.
    """

    trial: Trial
    participant: Participant
    response: Response | None
    entry: StudyLog | None
    earlier_open: bool

    @property
    def study(self) -> Study:
        return self.participant.study

    @property
    def attempts_are_kept(self) -> bool:
        """Tell whether the study's limit of attempts that are written down is not reached."""
        return self.participant.attempts_made < self.study.most_attempts

    def is_as_before(self, other: Asked) -> bool:
        """Tell whether nobody stored anything of the participant between two reads."""
        mine, theirs = (asked.entry.number if asked.entry else None for asked in (self, other))
        return mine == theirs and (self.response is None) == (other.response is None)


def find_participant(digest: str) -> Participant | None:
    """Return who has the token of a digest, with their study but for plan and texts; one statement."""
    rows = PARTICIPANT.first(digest)
    if rows is None:
        return None
    participant: Participant = rows["participant"]
    participant.study = rows["study"]
    return participant


def find_study(slug: str) -> Study | None:
    """Return the study of this address, drafts apart, but for its plan and last page; one statement."""
    rows = JOINABLE.first(slug)
    return None if rows is None else rows["study"]


def find_asked(name: str) -> Asked | None:
    """Return the trial of this name with all that an answer to it depends on; one statement."""
    rows = ASKED.first(name)
    if rows is None:
        return None
    trial, participant, response = rows["trial"], rows["participant"], rows["response"]
    participant.study = rows["study"]
    trial.participant = participant
    if response is not None:
        response.trial = trial
    return Asked(trial, participant, response, rows["entry"], bool(rows["earlier_open"]))


def store_seen(asked: Asked, rows: Sequence[Model], *, now: datetime) -> bool:
    """Store the rows of a first answer, and that its participant was seen; False when they have withdrawn.

    The participant's row is locked first, so that one answer of theirs is stored after the other.

    :raises IntegrityError: another post was stored since ``asked`` was read, and took the place of a row.
    """
    kept = asked.attempts_are_kept
    below = asked.participant.answered_below if asked.earlier_open else asked.trial.index + 1
    seen_at = connection.ops.adapt_datetimefield_value(now)
    return write_together(SEEN, [int(kept), int(not kept), below, seen_at, asked.participant.pk], rows)
