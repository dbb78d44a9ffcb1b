"""The trials of a list as text, made once in a process: who joins adds only a name.

Writing a participant's trials then costs the site nothing that grows with the plan, and next to nothing that
grows with the list.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from almond.design.trials.base import PlannedTrial
from almond.digest import canonical_json, digest_bytes
from studies.models import AssignmentList, Study

MARK = secrets.token_hex(16)
"""Stands for a participant's name: another in every process, so that no plan can hold it."""
LISTS = 128
"""Kept at once: at most some 50 KB each, but for very long lists."""
EMPTY = b"null}"


def trial_name(participant: str, index: int) -> str:
    return f"{participant}-t{index:03d}"


@dataclass(frozen=True)
class Dealt:
    """A list's trials as canonical JSON, with a mark where the participant's name goes."""

    text: str

    def of(self, participant: str) -> str:
        """Return the JSON array of a participant's trials: index, name, block, kind, planned, digests."""
        return self.text.replace(MARK, participant)


def deal(study: Study, assignment: AssignmentList) -> Dealt:
    """Return the trials of a list of a frozen study; read from the database the first time in a process."""
    return deal_once(study.pk, study.plan_digest, assignment.pk)


@lru_cache(maxsize=LISTS)
def deal_once(study: int, plan_digest: str, assignment: int) -> Dealt:
    """Read a list; the plan's digest tells lists of different plans apart, for a frozen one never changes."""
    rows = AssignmentList.objects.select_related("study").defer("study__plan")
    row = rows.get(pk=assignment, study=study, study__plan_digest=plan_digest)
    stimuli = row.study.frozen_plan.stimulus_by_id
    planned = [PlannedTrial.from_json(value) for value in row.trials]
    trials = [
        {
            "index": trial.index,
            "name": trial_name(MARK, trial.index),
            "block": trial.block,
            "kind": trial.kind,
            "planned": trial.to_json(),
            "digests": [stimuli[name].sha256 for name in trial.stimuli],
        }
        for trial in planned
    ]
    return Dealt(canonical_json(trials).decode())


def digest_with_trials(fields: Mapping[str, Any], trials: str) -> str:
    """Return ``digest_json({**fields, "trials": ...})``, the trials being canonical JSON already.

    :raises ValueError: a field sorts behind ``trials``.
    """
    head = canonical_json({**fields, "trials": None})
    if not head.endswith(b'"trials":' + EMPTY):
        raise ValueError(f"fields {sorted(fields)} do not all sort before trials")
    return digest_bytes(head.removesuffix(EMPTY) + trials.encode() + b"}")
