"""The form of a target: a region, a difference of regions, or an axis."""

from __future__ import annotations

import os
from typing import Any

from django import forms
from unfold.widgets import UnfoldBooleanWidget

from almond.errors import InputError
from encoder import services
from encoder.admin.forms.common import choice, names, text, whole
from encoder.models import Target
from lab.conditional_fields import ConditionalFields, unless, when
from lab.written_once import RowForm, said_in

DIRECTIONS = [
    ("weights", "a region, or a weighted difference of regions"),
    ("principal", "axis: a principal direction of several regions' scores"),
    ("selective", "axis: what one region says that others do not"),
    ("images", "axis: from images that lack something to images that have it"),
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
"""When a field has a meaning."""


def read_weights(given: str) -> dict[str, float]:
    """``LB, CM=-0.5`` -> {"LB": 1.0, "CM": -0.5}; ``InputError`` names the part that is wrong."""
    weights: dict[str, float] = {}
    for part in names(given):
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

    direction = choice(DIRECTIONS, initial="weights")
    weights = text(
        "Region, or region=weight separated by commas. Empty: the region of the target's name; for an axis "
        "all of the encoder's.",
        label="Regions",
        placeholder="LB   or   CM=1, AStr=-1",
    )
    number = whole("1 is that in which scores vary most. Empty: 1.", least=1, label="Which direction")
    of = text("The region whose score is told from those of the others.", label="Region of interest")
    low = text("Folder of images that lack it.", label="From")
    high = text("Folder of images that have it.", label="To")
    subjects = text(
        "Whose weights are averaged. Empty: all fitted ones. A judge shares none with a guide.",
        placeholder="01, 02, 03",
    )
    each = forms.BooleanField(
        label="Each subject by itself",
        required=False,
        widget=UnfoldBooleanWidget,
        help_text="A guide of each subject alone, called name_subject, with a judge of all the others "
        "(leave one subject out).",
    )
    reference_kind = choice(
        STANDARDS, "Scores are in standard deviations of these images.", label="Standardised on"
    )
    scenes = forms.IntegerField(
        min_value=20,
        required=False,
        initial=services.REFERENCE_SCENES,
        widget=whole().widget,
        help_text="How many scenes to draw.",
    )
    folder = text("Of images.")

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
        with said_in(self, fields=FIELDS):
            data["axis"] = self._axis(data)
            data["coefficients"] = self._regions(data)
            chosen = names(data["subjects"]) or services.fitted_subjects(data["encoder"])
            data["chosen"] = [] if data["axis"].get("method") == "images" else chosen
            data["reference"] = self._reference(data)
            if not data["each"]:
                services.check_target(
                    name=data["name"],
                    encoder=data["encoder"],
                    role=data["role"],
                    subjects=data["chosen"],
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
        services.check_reference(encoder=data["encoder"], kind=kind)
        if kind == "folder":
            if not os.path.isdir(data["folder"]):
                raise InputError("folder", "is not a folder on this server", "a folder of images")
            return {"kind": kind, "path": data["folder"]}
        if kind == "world":
            return {"kind": kind, "scenes": data["scenes"] or services.REFERENCE_SCENES, "seed": 0}
        return {"kind": kind}
