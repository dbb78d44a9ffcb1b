"""The form of a target: a region, a difference of regions, or an axis."""

from __future__ import annotations

import os
from typing import Any

from django import forms
from unfold.widgets import UnfoldBooleanWidget

from almond.errors import InputError
from encoder.models import Target
from encoder.services.targets import REFERENCE_SCENES, check_reference, check_target, fitted_subjects
from lab.append_only import RowForm, errors_shown_on
from lab.conditional_fields import ConditionalFields, unless, when
from lab.fields import choice_field, text_field, whole_field
from lab.typed_values import read_names

DIRECTIONS = [
    ("weights", "a region, or a weighted sum of regions"),
    ("principal", "axis: a principal component of the scores of several regions"),
    ("selective", "axis: the part of one region's score that is uncorrelated with others"),
    ("images", "axis: the discriminant between two sets of images"),
]
STANDARDS = [
    ("world", "scenes drawn by the simulated world"),
    ("folder", "images in a folder"),
    ("table", "the encoder's own feature table"),
]
FIELDS = {"coefficients": "weights"}
SHOWN = {
    "weights": unless("direction", "images"),
    "number": when("direction", "principal"),
    "of": when("direction", "selective"),
    "low": when("direction", "images"),
    "high": when("direction", "images"),
    "subjects": unless("direction", "images"),
    "each": unless("direction", "images"),
    "scenes": when("reference_kind", "world"),
    "folder": when("reference_kind", "folder"),
}
"""Field -> when it has a meaning."""


def read_weights(text: str) -> dict[str, float]:
    """Read ``LB, CM=-0.5`` as {"LB": 1.0, "CM": -0.5}.

    :raises InputError: names the part that is wrong.
    """
    weights: dict[str, float] = {}
    for part in read_names(text):
        name, _, value = (piece.strip() for piece in part.partition("="))
        try:
            weights[name] = float(value) if value else 1.0
        except ValueError as error:
            raise InputError(
                "weights", f"{part!r} has no number", "region=weight, comma separated"
            ) from error
    return weights


class TargetForm(ConditionalFields, RowForm):
    shown_when = SHOWN

    direction = choice_field(DIRECTIONS, initial="weights")
    weights = text_field(
        "Region, or region=weight, separated by commas. Empty: the region with the target's name; for an "
        "axis, all regions of the encoder.",
        label="Regions",
        placeholder="LB   or   CM=1, AStr=-1",
    )
    number = whole_field(
        "1 is the component with the largest variance. Empty: 1.", least=1, label="Component"
    )
    of = text_field(
        "The region whose score is made uncorrelated with those of the others.", label="Region of interest"
    )
    low = text_field("Folder of images that score low.", label="Low images")
    high = text_field("Folder of images that score high.", label="High images")
    subjects = text_field(
        "Whose weights are averaged. Empty: all fitted subjects. A judge and a guide share no subject.",
        placeholder="01, 02, 03",
    )
    each = forms.BooleanField(
        label="One target per subject",
        required=False,
        widget=UnfoldBooleanWidget,
        help_text="A guide for each subject, called name_subject, with a judge made of all other subjects "
        "(leave one subject out).",
    )
    reference_kind = choice_field(
        STANDARDS, "Scores are in standard deviations over these images.", label="Standardised on"
    )
    scenes = forms.IntegerField(
        min_value=20,
        required=False,
        initial=REFERENCE_SCENES,
        widget=whole_field().widget,
        help_text="Number of scenes.",
    )
    folder = text_field("Folder of images on this server.", label="Image folder")

    class Meta:
        model = Target
        fields = ["name", "encoder", "role"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "reference_kind" in self.fields:
            self.fields["reference_kind"].required = True

    def clean(self) -> dict[str, Any]:
        data: dict[str, Any] = super().clean() or {}
        if self.errors:
            return data
        with errors_shown_on(self, fields=FIELDS):
            data["axis"] = self._axis(data)
            data["coefficients"] = self._regions(data)
            subjects = read_names(data["subjects"]) or fitted_subjects(data["encoder"])
            data["of_subjects"] = [] if data["axis"].get("method") == "images" else subjects
            data["reference"] = self._reference(data)
            if not data["each"]:
                check_target(
                    name=data["name"],
                    encoder=data["encoder"],
                    role=data["role"],
                    subjects=data["of_subjects"],
                    coefficients=data["coefficients"],
                    axis=data["axis"],
                )
        return data

    def _axis(self, data: dict[str, Any]) -> dict[str, Any]:
        method = data.get("direction") or "weights"
        own = {"principal": {"number": data.get("number") or 1}, "selective": {"of": data.get("of")}}
        if method == "weights":
            return {}
        if method == "images":
            return {"method": method, "low": data["low"], "high": data["high"]}
        return {"method": method, **own[method]}

    def _regions(self, data: dict[str, Any]) -> dict[str, float]:
        typed = read_weights(data["weights"])
        if not data["axis"]:
            return typed or {data["name"]: 1.0}
        if data["axis"]["method"] == "images":
            return {}
        every = data["encoder"].regions.order_by("pk").values_list("name", flat=True)
        return typed or dict.fromkeys(every, 1.0)

    def _reference(self, data: dict[str, Any]) -> dict[str, Any]:
        kind = data["reference_kind"]
        check_reference(encoder=data["encoder"], kind=kind)
        if kind == "folder":
            if not os.path.isdir(data["folder"]):
                raise InputError("folder", "is not a folder on this server", "a folder of images")
            return {"kind": kind, "path": data["folder"]}
        if kind == "world":
            return {"kind": kind, "scenes": data["scenes"] or REFERENCE_SCENES, "seed": 0}
        return {"kind": kind}
