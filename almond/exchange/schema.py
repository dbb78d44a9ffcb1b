"""The columns of an export's tables: name, type, unit, range and meaning. The codebook is written from here.

Types: ``text`` (empty when it does not apply), ``integer``, ``number``, ``flag`` (0 or 1), ``digest``
(SHA-256, 64 hexadecimal digits) and ``time`` (ISO 8601 with its offset from UTC).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

LOWLEVEL = (
    "median_red",
    "median_green",
    "median_blue",
    "luminance",
    "contrast",
    "power_low",
    "power_high",
    "edge_energy",
)
"""The low-level features of an image in the order in which tables hold them."""


@dataclass(frozen=True)
class Column:
    """One column of one table. ``needed`` columns have no empty cells."""

    name: str
    type: str
    description: str
    unit: str = ""
    range: str = ""
    needed: bool = True


TRIAL_INDEX = Column(
    "trial_index",
    "integer",
    "Place of the trial in the participant's list, counted from 0.",
    range="0 or more",
)
INTENDED_TARGET = Column(
    "intended_target",
    "text",
    "Region whose predicted response the image was pushed along; empty for natural and unguided images.",
    needed=False,
)
RESPONSE = (
    Column("response_id", "text", "Name of the response; a rating trial has one row per construct."),
    Column("trial_id", "text", "Name of the planned trial that was answered."),
    Column("participant_id", "text", "The study's own name of the participant; never a recruitment id."),
    TRIAL_INDEX,
    Column("block", "text", "Name of the block in the plan."),
)
RECEIVED = Column("received_at", "time", "When the server stored the response.")
RT = Column(
    "rt_ms",
    "number",
    "Time from the images being shown to the answer, as the browser measured it.",
    unit="ms",
    range="0 or more",
)

PARTICIPANTS = (
    Column("participant_id", "text", "The study's own name of the participant; never a recruitment id."),
    Column("list", "integer", "Number of the assigned list of trials, counted from 0.", range="0 or more"),
    Column("status", "text", "How far the participant came, such as finished or active."),
    Column("started_at", "time", "When the participant consented.", needed=False),
    Column(
        "finished_at", "time", "When the server had counted every trial; empty if it has not.", needed=False
    ),
    Column("trials_planned", "integer", "Trials in the list.", range="0 or more"),
    Column("trials_done", "integer", "Trials answered.", range="0 or more"),
)

RATINGS = (
    *RESPONSE,
    Column(
        "repeat",
        "flag",
        "1 when the image was shown to this participant before in this block.",
        range="0 or 1",
    ),
    Column("stimulus_id", "text", "The image rated: a row of stimuli.csv."),
    Column("base_scene", "text", "What all images of one prompt and seed have in common."),
    INTENDED_TARGET,
    Column("direction", "integer", "1 pushed up, -1 pushed down, 0 not pushed.", range="-1, 0 or 1"),
    Column(
        "strength", "number", "Strength of the guidance, relative to the text guidance.", range="0 or more"
    ),
    Column("construct", "text", "The judgement asked for: a construct of the plan."),
    Column("value", "number", "The rating, from the low end (0) to the high end (100).", range="0 to 100"),
    RT,
    Column("image_sha256", "digest", "SHA-256 of the image bytes that the participant's browser showed."),
    RECEIVED,
)

CHOICES = (
    *RESPONSE,
    Column("pair_id", "text", "The pair shown: a pair of the plan."),
    Column("base_scene", "text", "The scene of both images."),
    INTENDED_TARGET,
    Column("construct", "text", "The judgement asked for: a construct of the plan."),
    Column("left_stimulus", "text", "The image on the left: a row of stimuli.csv."),
    Column("right_stimulus", "text", "The image on the right: a row of stimuli.csv."),
    Column("chosen", "text", "The side chosen.", range="left or right"),
    Column("high_side", "text", "The side of the image pushed up.", range="left or right"),
    Column("aligned", "flag", "1 when the image pushed up was chosen.", range="0 or 1"),
    RT,
    Column("left_sha256", "digest", "SHA-256 of the bytes shown on the left, as the browser saw them."),
    Column("right_sha256", "digest", "SHA-256 of the bytes shown on the right, as the browser saw them."),
    RECEIVED,
)

STIMULI = (
    Column("stimulus_id", "text", "Name of the image in the plan."),
    Column("file", "text", "Where its bytes lie in the export."),
    Column("image_sha256", "digest", "SHA-256 of its bytes."),
    Column("base_scene", "text", "What all images of one prompt and seed have in common."),
    Column("prompt", "text", "What the generator was asked to draw; empty for natural images.", needed=False),
    Column("seed", "integer", "Seed of the generator's noise; empty for natural images.", needed=False),
    INTENDED_TARGET,
    Column("direction", "integer", "1 pushed up, -1 pushed down, 0 not pushed.", range="-1, 0 or 1"),
    Column(
        "strength", "number", "Strength of the guidance, relative to the text guidance.", range="0 or more"
    ),
    Column("recipe_digest", "digest", "The recipe it was made from; empty for natural images.", needed=False),
)

LOWLEVEL_TEXTS = {
    "median_red": ("Median of the red channel.", "0 to 1"),
    "median_green": ("Median of the green channel.", "0 to 1"),
    "median_blue": ("Median of the blue channel.", "0 to 1"),
    "luminance": ("Mean luminance (ITU-R BT.709 weights).", "0 to 1"),
    "contrast": ("Standard deviation of luminance (RMS contrast).", "0 to 0.5"),
    "power_low": ("Log10 of the mean spectral power below 6 cycles per image.", ""),
    "power_high": ("Log10 of the mean spectral power above 24 cycles per image.", ""),
    "edge_energy": ("Mean magnitude of the luminance gradient.", "0 or more"),
}

FIXED: dict[str, tuple[Column, ...]] = {
    "participants": PARTICIPANTS,
    "ratings": RATINGS,
    "choices": CHOICES,
    "stimuli": STIMULI,
}
SORTED_BY: dict[str, tuple[str, ...]] = {
    "participants": ("participant_id",),
    "ratings": ("participant_id", "trial_index", "construct"),
    "choices": ("participant_id", "trial_index"),
    "stimuli": ("stimulus_id",),
}
UNIQUE: dict[str, tuple[str, ...]] = {
    "participants": ("participant_id",),
    "ratings": ("response_id", "construct"),
    "choices": ("response_id",),
    "stimuli": ("stimulus_id",),
}


def measured(name: str) -> Column | None:
    """The column of a measurement in stimuli.csv: a predicted score, a low-level feature or a norm."""
    if name.startswith("score_") and len(name) > len("score_"):
        text = f"Predicted response of {name.removeprefix('score_')}, standardised on the reference images."
        return Column(name, "number", text, unit="SD", needed=False)
    if name.startswith("norm_") and len(name) > len("norm_"):
        text = f"Norm {name.removeprefix('norm_')} of the natural image, from its image set."
        return Column(name, "number", text, needed=False)
    if name in LOWLEVEL:
        text, span = LOWLEVEL_TEXTS[name]
        return Column(name, "number", text, range=span, needed=False)
    return None


def stimulus_columns(present: Iterable[str]) -> tuple[Column, ...]:
    """The columns of stimuli.csv for a table that has these: fixed, then scores, features, norms by name."""
    names = set(present)
    scores = sorted(name for name in names if name.startswith("score_"))
    norms = sorted(name for name in names if name.startswith("norm_"))
    features = [name for name in LOWLEVEL if name in names]
    found = [measured(name) for name in (*scores, *features, *norms)]
    return (*STIMULI, *(column for column in found if column is not None))
