"""A study with every kind of pages around a block of ratings, for tests."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from ratings.models import Participant
from ratings.services import Recorded, record_response
from studies.models import Construct, Study
from studies.services import BlockSpec, create_study
from tests.site.small_study import advance, make_constructs, make_matched_set

SECRET = "Rather agree"
"""The correct answer of the attention check; as an option it is shown, as the correct one never."""
FIELDS = (
    "age (How old are you?): number 18-99\ngender: choice woman, man, another, I prefer not to say\n"
    "comment (Anything else?): text optional"
)
PAGES: dict[str, tuple[str, dict[str, Any]]] = {
    "welcome": (
        "instruction",
        {"text": "You will judge pictures.\n\nThere are no wrong answers.\n---\nThen we ask who you are."},
    ),
    "people": ("form", {"fields": FIELDS, "text": "We ask this of everybody."}),
    "understood": (
        "comprehension_check",
        {
            "questions": "What do you judge? | the frame | *how threatening a picture is | its colours",
            "reread": "You judge how threatening pictures are.\n\nNothing else.",
        },
    ),
    "trying": ("practice", {"of": "ratings", "feedback": "There is no right answer. Go on like this."}),
    "ratings": ("rating", {}),
    "attentive": (
        "attention_check",
        {
            "question": f"This is an attention check. Please choose “{SECRET}”.",
            "options": f"Disagree, Neither, {SECRET}, Agree",
            "correct": SECRET,
        },
    ),
    "rest": ("break", {"least_seconds": 1, "longest_seconds": 30}),
    "traits": ("questionnaire", {"instrument": "ipip_anxiety"}),
}
"""Name -> kind and settings, in order: trials 0-1, 2, 3-4, 5-6, 7-8, 9, 10, 11."""


def make_paged_study(
    names: Sequence[str] = tuple(PAGES), *, state: str = Study.State.LIVE, **settings: Mapping[str, Any]
) -> Study:
    """Make a study of some of the blocks; ``settings`` adds to those of a block, by its name."""
    constructs = list(Construct.objects.order_by("name")) or make_constructs()
    blocks = [
        BlockSpec(
            kind,
            name,
            constructs if kind == "rating" else (),
            trials=2 if kind in ("rating", "practice") else None,
            settings={**own, **settings.get(name, {})},
        )
        for name, (kind, own) in PAGES.items()
        if name in names
    ]
    study = create_study(
        title="Pages and pictures",
        slug="pages",
        participants_planned=8,
        n_lists=2,
        matched_set=make_matched_set(),
        unmatched_reason="Pairs of a test, made without matching.",
        blocks=blocks,
        by=None,
    )
    return advance(study, state)


RIGHT: dict[str, dict[str, Any]] = {
    "people": {"age": 34, "gender": "woman", "comment": "My name is Jo Doe."},
    "understood": {"1": "how threatening a picture is"},
    "trying": {"threat": 40, "urgency": 60},
    "ratings": {"threat": 40, "urgency": 60},
    "attentive": {"answer": SECRET},
    "traits": {str(number): 4 for number in range(1, 11)},
}
WRONG: dict[str, dict[str, Any]] = {"understood": {"1": "its colours"}, "attentive": {"answer": "Neither"}}


def post(participant: Participant, index: int, values: Mapping[str, Any] | None = None) -> Recorded:
    """Answer a trial: as is right, or with other values."""
    trial = participant.trials.get(index=index)
    body: dict[str, Any] = {
        "response_id": str(uuid.uuid4()),
        "trial_id": trial.name,
        "rt_ms": 900.0,
        "images": trial.digests,
    }
    answered = RIGHT.get(trial.block) if values is None else dict(values)
    return record_response(participant=participant, body=body | ({"values": answered} if answered else {}))
