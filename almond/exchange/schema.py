"""The tables of an export: name, type, unit, range and meaning of every column, each said once.

The table of a trial kind stands with its kind in ``almond.design.trials``; writer, reader and codebook take
all of them from ``table_schemas``.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable

from almond.design.trials import TRIAL_KINDS
from almond.design.trials.columns import (
    BASE_SCENE,
    CONFIDENCE,
    DIRECTION,
    EMPTY_WHEN_MISSED,
    INTENDED_TARGET,
    MISSED_ANSWER,
    NO_DIFFERENCE,
    PARTICIPANT,
    SINCE,
    STRENGTH,
    THEME,
    Column,
    TableSchema,
)

PARTICIPANTS = TableSchema(
    "participants",
    (
        PARTICIPANT,
        Column(
            "list", "integer", "Number of the assigned list of trials, counted from 0.", range="0 or more"
        ),
        Column("status", "text", "How far the participant came, such as finished or active."),
        Column("started_at", "time", "When the participant consented.", needed=False),
        Column(
            "finished_at",
            "time",
            "When the server had counted every trial; empty if it has not.",
            needed=False,
        ),
        Column("trials_planned", "integer", "Trials in the list.", range="0 or more"),
        Column("trials_done", "integer", "Trials answered.", range="0 or more"),
    ),
    sorted_by=("participant_id",),
    unique=("participant_id",),
)

PARTICIPANTS_SINCE = (
    Column(
        "kind",
        "text",
        "person, preview (an experimenter who tried it), or robot (simulated).",
        range="person, preview or robot",
    ),
    Column(
        "consent_sha256",
        "digest",
        "SHA-256 of the consent form to which they agreed, at started_at; empty where none was shown.",
        needed=False,
    ),
)
"""Columns of participants.csv that older exports lack."""

ARM = Column("arm", "text", "Arm of the participant's list.", needed=False)
"""Column of participants.csv in exports of plans with arms."""

NOT_ASKED = (
    Column(
        "trials_skipped",
        "integer",
        "Trials of the list that were not asked, because of earlier answers: of skipped blocks, after an "
        "early end, and further attempts of a check that was passed.",
        range="0 or more",
    ),
    Column(
        "ended_by",
        "text",
        "The block whose answer ended the visit early, as the plan says; empty where none did.",
        needed=False,
    ),
)
"""Columns of participants.csv in exports of plans that branch."""

EXCLUDED = (
    Column(
        "excluded",
        "flag",
        "1 when an experimenter excluded the participant by hand: rows stay, and analyses leave them out.",
        range="0 or 1",
    ),
    Column("excluded_reason", "text", "Why, in the experimenter's words; empty for others.", needed=False),
    Column(
        "excluded_blind",
        "flag",
        "1 when nobody could see the study's answers at that time; empty for those not excluded.",
        range="0 or 1",
        needed=False,
    ),
)
"""Columns of participants.csv in exports of studies in which somebody was excluded by hand."""

IN_QUOTAS = (
    Column(
        "quota_groups",
        "text",
        "Groups of the plan's quotas in which the participant's answers are, with semicolons between.",
        needed=False,
    ),
    Column(
        "quota_full",
        "flag",
        "1 when no place was left in one of these groups: the visit ended there, the status is screened_out.",
        range="0 or 1",
    ),
)
"""Columns of participants.csv in exports of plans with quotas."""

EVENTS = TableSchema(
    "events",
    (
        PARTICIPANT,
        Column("event_id", "text", "Name of the event."),
        Column("trial_index", "integer", "The trial that was shown; empty between trials.", needed=False),
        Column("kind", "text", "What happened, such as blur: the window lost focus."),
        Column("page_ms", "number", "Time since the page was loaded.", unit="ms", range="0 or more"),
        Column("detail", "text", "Further facts as a JSON object; empty when there are none.", needed=False),
        Column("received_at", "time", "When the server stored the event."),
    ),
    sorted_by=("participant_id", "received_at", "event_id"),
    unique=("participant_id", "event_id"),
)
"""What happened around the answers; older exports, and those of no site, have no such table."""

STIMULI = TableSchema(
    "stimuli",
    (
        Column("stimulus_id", "text", "Name of the image in the plan."),
        Column("file", "text", "Where its bytes lie in the export."),
        Column("image_sha256", "digest", "SHA-256 of its bytes."),
        BASE_SCENE,
        THEME,
        Column(
            "prompt", "text", "What the generator was asked to draw; empty for natural images.", needed=False
        ),
        Column("seed", "integer", "Seed of the generator's noise; empty for natural images.", needed=False),
        INTENDED_TARGET,
        DIRECTION,
        STRENGTH,
        Column(
            "recipe_digest", "digest", "The recipe it was made from; empty for natural images.", needed=False
        ),
    ),
    sorted_by=("stimulus_id",),
    unique=("stimulus_id",),
)

LOWLEVEL_COLUMNS = tuple(
    Column(name, "number", description, range=span, needed=False)
    for name, description, span in (
        ("median_red", "Median of the red channel.", "0 to 1"),
        ("median_green", "Median of the green channel.", "0 to 1"),
        ("median_blue", "Median of the blue channel.", "0 to 1"),
        ("luminance", "Mean luminance (ITU-R BT.709 weights).", "0 to 1"),
        ("contrast", "Standard deviation of luminance (RMS contrast).", "0 to 0.5"),
        ("power_low", "Log10 of the mean spectral power below 6 cycles per image.", ""),
        ("power_high", "Log10 of the mean spectral power above 24 cycles per image.", ""),
        ("edge_energy", "Mean magnitude of the luminance gradient.", "0 or more"),
    )
)
LOWLEVEL = tuple(column.name for column in LOWLEVEL_COLUMNS)
"""The low-level features of an image in the order in which tables hold them."""

SCORE, NORM = "score_", "norm_"
"""How the columns of predicted scores and of norms begin in stimuli.csv."""


UNKNOWN_OUTSIDE = frozenset(
    {
        *("list", "trials_planned", "file", "image_sha256", "left_sha256", "right_sha256"),
        *("rt_ms", "received_at"),
    }
)
"""Columns that may be empty in an export of data that Almond did not collect: nobody may know them."""

ORIGINAL_VALUE = Column(
    "original_value", "number", "The rating as it stood in the imported table, on its own scale."
)
EXTERNAL_COLUMNS = {
    "ratings": (ORIGINAL_VALUE, MISSED_ANSWER),
    "choices": (NO_DIFFERENCE, CONFIDENCE, MISSED_ANSWER),
    "bestworst": (MISSED_ANSWER,),
}
"""Further columns by table: of such an export, and of studies whose blocks ask for them."""


def table_schemas(
    kinds: Iterable[str] = (), *, events: bool = False, external: bool = False
) -> dict[str, TableSchema]:
    """Return the tables of an export by name, in order.

    :param kinds: names of the trial kinds in its plan. Ratings and choices have tables in every export.
    :param events: whether it has a table of events.
    :param external: whether its data were collected elsewhere: then some columns may be empty.
    """
    wanted = set(kinds)
    responses = [
        kind.table for name, kind in TRIAL_KINDS.entries().items() if kind.in_every_export or name in wanted
    ]
    tables = (PARTICIPANTS, *responses, STIMULI, *((EVENTS,) if events else ()))
    return {table.name: without_unknown(table) if external else table for table in tables}


def without_unknown(table: TableSchema) -> TableSchema:
    """Return a table in which what nobody outside may know need not be told."""
    columns = tuple(
        dataclasses.replace(column, needed=False) if column.name in UNKNOWN_OUTSIDE else column
        for column in table.columns
    )
    return dataclasses.replace(table, columns=columns)


def columns_since(table: TableSchema) -> tuple[Column, ...]:
    """Return the columns that came later: in every export written now, missing in older ones."""
    seldom = (ARM, *NOT_ASKED, *IN_QUOTAS, *EXCLUDED)
    appended = (column for column in columns_appended(table) if column not in seldom)
    return (*(column for column in table.columns if column.later), *appended)


def columns_appended(table: TableSchema) -> tuple[Column, ...]:
    """Return the columns that stand after all others where rows have them."""
    if table.name == PARTICIPANTS.name:
        return (*PARTICIPANTS_SINCE, ARM, *NOT_ASKED, *IN_QUOTAS, *EXCLUDED)
    return () if table.name in (STIMULI.name, EVENTS.name) else SINCE


def table_columns(table: TableSchema, present: Iterable[str]) -> tuple[Column, ...]:
    """Return the columns of a table: also later ones and measurements that are ``present``."""
    names = set(present)
    own = (column for column in table.columns if not column.later or column.name in names)
    further = (*columns_appended(table), *EXTERNAL_COLUMNS.get(table.name, ()))
    appended = (column for column in further if column.name in names)
    measured = measurements(names) if table.name == STIMULI.name else ()
    may_be_empty = EMPTY_WHEN_MISSED if MISSED_ANSWER.name in names else ()
    return tuple(
        dataclasses.replace(column, needed=False) if column.name in may_be_empty else column
        for column in (*own, *appended, *measured)
    )


def measurements(present: Iterable[str]) -> tuple[Column, ...]:
    """Return the columns of measurements in stimuli.csv: scores, low-level features, norms by name."""
    names = sorted(set(present))
    scores = [
        Column(
            name,
            "number",
            f"Predicted response of {name.removeprefix(SCORE)}, standardised on the reference images.",
            unit="SD",
            needed=False,
        )
        for name in names
        if name.startswith(SCORE) and name != SCORE
    ]
    norms = [
        Column(
            name,
            "number",
            f"Norm {name.removeprefix(NORM)} of the natural image, from its image set.",
            needed=False,
        )
        for name in names
        if name.startswith(NORM) and name != NORM
    ]
    return (*scores, *(column for column in LOWLEVEL_COLUMNS if column.name in names), *norms)
