"""Every change to participants and their answers."""

from __future__ import annotations

from ratings.services.arriving import arrive, enter_with_pass, let_in, resume
from ratings.services.exporting import export_tables
from ratings.services.joining import Joined, Recruit, join, new_token
from ratings.services.leaving import finish, screen_out, withdraw, withdraw_by_code
from ratings.services.recording import (
    Recorded,
    note_refusal,
    owner,
    record_events,
    record_post,
    record_response,
)
from ratings.services.simulating import start_simulation

__all__ = [
    "Joined",
    "Recorded",
    "Recruit",
    "arrive",
    "enter_with_pass",
    "export_tables",
    "finish",
    "join",
    "let_in",
    "new_token",
    "note_refusal",
    "owner",
    "record_events",
    "record_post",
    "record_response",
    "resume",
    "screen_out",
    "start_simulation",
    "withdraw",
    "withdraw_by_code",
]
