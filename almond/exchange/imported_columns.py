"""What the columns of an export mean where its judgements are those of an imported table."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

from almond.design.trials.columns import Column

MEANINGS = {
    "base_scene": "What several stimuli are versions of, as the imported table tells it, else the "
    "stimulus (of "
    "choices: the pair) itself.",
    "theme": "What several scenes have in common, as the imported table tells it, else the scene "
    "itself. Tests "
    "count themes as independent.",
    "intended_target": "Condition of the stimulus, as the imported table tells it (of choices without one: "
    "what was judged); empty for none.",
    "direction": "Direction of the stimulus, as the imported table tells it, and 1 for every condition where "
    "it tells none; of choices: 1 expected, -1 not; 0 without a condition.",
    "strength": "0: imported tables tell no strength.",
    "high_side": "The side of the stimulus that the imported table expects to be chosen.",
    "aligned": "1 when the expected stimulus was chosen.",
}

OWN_MEANINGS = {
    "original_value": "The rating as it was given, on the scale of its block in the plan (plan.json).",
}
"""What columns mean in a study's own export that imported tables have too."""


OF_PHOTOGRAPHS = {
    "base_scene": "The scene of both images; of a pair of photographs, that of the left one.",
    "theme": "The theme of the base scene; of a pair of photographs, that of the left one.",
    "high_side": "The side of the image pushed up; of a pair of photographs, of the one that the plan calls "
    "the higher, empty where it calls none so.",
    "aligned": "1 when the image of the high side was chosen.",
}
"""What columns of choices mean where the plan has pairs of photographs."""


def worded_columns(
    tables: Mapping[str, Sequence[Column]], *, imported: bool, photographs: bool = False
) -> dict[str, list[Column]]:
    """Return the columns of tables with what they mean in an imported, or else in a study's own, export.

    :param photographs: whether the plan has pairs of photographs.
    """
    meanings = MEANINGS if imported else OWN_MEANINGS
    of_choices = {**meanings, **(OF_PHOTOGRAPHS if photographs else {})}
    return {
        table: [
            dataclasses.replace(
                column,
                description=(of_choices if table == "choices" else meanings).get(
                    column.name, column.description
                ),
            )
            for column in columns
        ]
        for table, columns in tables.items()
    }
