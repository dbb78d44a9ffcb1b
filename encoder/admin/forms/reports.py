"""The form of a report over subjects: the group evaluation, or the validation on images with norms."""

from __future__ import annotations

from typing import Any

from encoder import services
from encoder.admin.forms import common
from encoder.admin.forms.common import choice, given, joined, lines, names, number, settings, text
from encoder.models import EncoderReport
from lab.conditional_fields import ConditionalFields, when
from lab.written_once import RowForm, said_in

LEVELS = [("", "usual: measured on the images"), ("paper", "as published"), ("none", "left out")]
OUTCOMES = [("", "usual: z-scored per subject and set"), ("raw", "as they are, as published")]
PAIRS = [("", "usual: Tukey"), ("holm", "Holm")]
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
"""When a field has a meaning."""

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

    whole = text("The region whose voxels are split at random.", label="Whole region", placeholder="Amy")
    subregions = text(
        "Compared with each other, two or more. Empty: LB, CM, SF and AStr where they are fitted.",
        placeholder="LB, CM, SF, AStr",
    )
    controls = text("With which the others are compared.", label="Control regions", placeholder="V1, IT")
    fdr = number("Their rate in maps. Empty: .05.", label="False discoveries", placeholder="0.05")
    correction = choice(PAIRS, "Of comparisons in pairs.")
    splits = common.whole(
        "Random splits of the whole region's voxels, as a control. Empty: none; published: 1000.",
        least=1,
        label="Random regions",
    )
    set_name = text("How the set of images is called.", label="Image set", placeholder="OASIS")
    images = text("Folder of the pictures on this server.")
    norms = text("Table with a row per picture (.csv, .tsv).")
    column = text("Column of the names. Empty: as in the tables of OASIS and IAPS.", label="Names")
    valence = text("Column of valence. Empty: as in these tables.")
    arousal = text("Column of arousal. Empty: as in these tables.")
    control = text("A region with which every other is compared in pairs.", label="Control region")
    low_level = choice(LEVELS, "Colour, spatial frequency and edges as nuisance.", label="Low-level features")
    outcome = choice(OUTCOMES, "Predicted responses in the regressions.", label="Predictions")
    further = lines(
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
        with said_in(self, fields={**ends, **FIELDS}, otherwise="further"):
            make = self._evaluation if data["kind"] == EncoderReport.Kind.EVALUATION else self._validation
            data["settings"] = joined(make(data), settings(data["further"]))
            services.check_report(
                name=data["name"], encoder=data["encoder"], kind=data["kind"], settings=data["settings"]
            )
        return data

    def _evaluation(self, data: dict[str, Any]) -> dict[str, Any]:
        found = given(data, ["whole", "fdr", "correction"])
        for key in ("subregions", "controls"):
            if data[key]:
                found[key] = names(data[key])
        if data["splits"]:
            found["random_regions"] = {"splits": data["splits"]}
        return found

    def _validation(self, data: dict[str, Any]) -> dict[str, Any]:
        found = given(data, ["control", "low_level", "outcome"])
        if data["subregions"]:
            found["subregions"] = names(data["subregions"])
        one = given(data, ["images", "norms", "valence", "arousal"])
        if data["column"]:
            one["name"] = data["column"]
        return {**found, "sets": {self._set_name(data): one}}

    def _set_name(self, data: dict[str, Any]) -> str:
        return str(data["set_name"] or "images")
