"""The form of a report over subjects: the group evaluation, or the validation on images with norms."""

from __future__ import annotations

from typing import Any

from encoder.models import EncoderReport
from encoder.services.reports import check_report
from lab.append_only import RowForm, errors_shown_on
from lab.conditional_fields import ConditionalFields, when
from lab.fields import choice_field, lines_field, number_field, text_field, whole_field
from lab.typed_values import filled_in, merged, read_names, read_settings

LEVELS = [("", "default: measured on the images"), ("paper", "as published"), ("none", "left out")]
OUTCOMES = [("", "default: z-scored per subject and set"), ("raw", "not standardised, as published")]
PAIRS = [("", "default: Tukey"), ("holm", "Holm")]
EVALUATION, VALIDATION = when("kind", "evaluation"), when("kind", "validation")
SHOWN = {
    "whole": EVALUATION,
    "controls": EVALUATION,
    "fdr": EVALUATION,
    "correction": EVALUATION,
    "splits": EVALUATION,
    "images": VALIDATION,
    "norms": VALIDATION,
    "set_name": VALIDATION,
    "column": VALIDATION,
    "valence": VALIDATION,
    "arousal": VALIDATION,
    "control": VALIDATION,
    "low_level": VALIDATION,
    "outcome": VALIDATION,
}
"""Field -> when it has a meaning."""

FIELDS = {"sets": "norms", "random_regions": "splits"}
"""Setting -> field that asks for it, where the names differ."""

SET_FIELDS = {
    "images": "images",
    "norms": "norms",
    "name": "column",
    "valence": "valence",
    "arousal": "arousal",
}


class ReportForm(ConditionalFields, RowForm):
    shown_when = SHOWN

    whole = text_field(
        "The region whose voxels are split at random.", label="Whole region", placeholder="Amy"
    )
    subregions = text_field(
        "Two or more regions that are compared in pairs. Empty: LB, CM, SF and AStr where they are fitted.",
        placeholder="LB, CM, SF, AStr",
    )
    controls = text_field(
        "Regions with which the others are compared.", label="Control regions", placeholder="V1, IT"
    )
    fdr = number_field("In maps. Empty: 0.05.", label="False discovery rate", placeholder="0.05")
    correction = choice_field(PAIRS, "For comparisons in pairs.")
    splits = whole_field(
        "Number of random splits of the whole region's voxels, as a control. Empty: none; published: 1000.",
        least=1,
        label="Random regions",
    )
    set_name = text_field("Name of the set of images.", label="Image set", placeholder="OASIS")
    images = text_field("Folder of images on this server.")
    norms = text_field("Table with one row per image (.csv, .tsv).")
    column = text_field(
        "Column of image names. Empty: as in the tables of OASIS and IAPS.", label="Name column"
    )
    valence = text_field("Column of valence ratings. Empty: as in these tables.")
    arousal = text_field("Column of arousal ratings. Empty: as in these tables.")
    control = text_field("The region with which every other region is compared.", label="Control region")
    low_level = choice_field(
        LEVELS, "Colour, spatial frequency and edges, as nuisance regressors.", label="Low-level features"
    )
    outcome = choice_field(OUTCOMES, "The predicted responses in the regressions.", label="Predictions")
    further = lines_field(
        "Any other setting of the section of a configuration, one per line, such as permutations: 2000.",
        label="Further settings",
        placeholder="permutations: 2000",
    )

    class Meta:
        model = EncoderReport
        fields = ["name", "encoder", "kind"]

    def clean(self) -> dict[str, Any]:
        data: dict[str, Any] = super().clean() or {}
        if self.errors:
            return data
        ends = {f"{self._set_name(data)}.{key}": field for key, field in SET_FIELDS.items()}
        with errors_shown_on(self, fields={**ends, **FIELDS}, otherwise="further"):
            make = self._evaluation if data["kind"] == "evaluation" else self._validation
            data["settings"] = merged(make(data), read_settings(data["further"]))
            check_report(
                name=data["name"], encoder=data["encoder"], kind=data["kind"], settings=data["settings"]
            )
        return data

    def _evaluation(self, data: dict[str, Any]) -> dict[str, Any]:
        settings = filled_in(data, ["whole", "fdr", "correction"])
        for key in ("subregions", "controls"):
            if data[key]:
                settings[key] = read_names(data[key])
        if data["splits"]:
            settings["random_regions"] = {"splits": data["splits"]}
        return settings

    def _validation(self, data: dict[str, Any]) -> dict[str, Any]:
        settings = filled_in(data, ["control", "low_level", "outcome"])
        if data["subregions"]:
            settings["subregions"] = read_names(data["subregions"])
        images = filled_in(data, ["images", "norms", "valence", "arousal"])
        if data["column"]:
            images["name"] = data["column"]
        return {**settings, "sets": {self._set_name(data): images}}

    def _set_name(self, data: dict[str, Any]) -> str:
        return str(data["set_name"] or "images")
