"""Every change to participants and their answers."""

from __future__ import annotations

from ratings.services.arriving import enter, let_in, resume
from ratings.services.exporting import export_tables
from ratings.services.joining import Joined, Recruit, join, new_token
from ratings.services.leaving import finish, withdraw, withdraw_by_code
from ratings.services.recording import Recorded, note_refusal, record_events, record_response
from ratings.services.simulating import start_simulation

__all__ = [
    "Joined",
    "Recorded",
    "Recruit",
    "enter",
    "export_tables",
    "finish",
    "join",
    "let_in",
    "new_token",
    "note_refusal",
    "record_events",
    "record_response",
    "resume",
    "start_simulation",
    "withdraw",
    "withdraw_by_code",
]
