"""Where participants come from, one module each: links with parameters, codes, ways back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from almond.registry import Registry

if TYPE_CHECKING:
    from ratings.recruiting.base import Recruiter

RECRUITERS: Registry[type[Recruiter]] = Registry(
    "recruiter",
    {
        "link": ("ratings.recruiting.link:Link", "one link for everybody"),
        "single_use": ("ratings.recruiting.single_use:SingleUse", "single-use links"),
        "prolific": ("ratings.recruiting.prolific:Prolific", "Prolific"),
        "sona": ("ratings.recruiting.sona:Sona", "SONA"),
        "mturk": ("ratings.recruiting.mturk:MTurk", "Amazon Mechanical Turk"),
        "panel": ("ratings.recruiting.panel:Panel", "another panel, by parameters of its links"),
    },
)
