"""The form of a region: a mask, areas of an atlas, a thresholded map, or other regions combined."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django import forms
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget, UnfoldAdminSelectWidget

from almond.errors import InputError
from encoder import services
from encoder.admin.forms.common import choice, dataset_field, given, names, number, text
from encoder.models import Region
from lab.conditional_fields import ConditionalFields, when
from lab.written_once import RowForm, said_in

KINDS = [kind for kind in Region.Kind.choices if kind[0] != Region.Kind.WEIGHTS]
SIDES = [("", "both sides"), ("left", "left: x below 0 mm"), ("right", "right: x above 0 mm")]
GRIDS = [("", "resampled by nearest neighbour"), ("refuse", "refused: the grids must be the same")]
FIELDS = {
    "mask": "mask_path",
    "map": "map_file",
    "union": "members",
    "difference": "members",
    "parts": "members",
}
"""Key of a specification -> field that asks for it, where the names differ."""

FILES = {"mask": "mask_path", "atlas": "atlas", "map": "map_file"}
"""Kind -> field of its file."""

SHOWN = {
    "mask_path": when("kind", "mask"),
    "atlas": when("kind", "atlas"),
    "table": when("kind", "atlas"),
    "labels": when("kind", "atlas"),
    "map_file": when("kind", "map"),
    "above": when("kind", "map"),
    "below": when("kind", "map"),
    "whole": when("kind", "difference"),
    "members": when("kind", "union", "difference"),
}
"""When a field has a meaning."""


def labels_of(typed: str) -> list[int | str]:
    """``19, Amygdala_L`` -> [19, "Amygdala_L"]."""
    return [int(part) if part.isdigit() else part for part in names(typed)]


class RegionForm(ConditionalFields, RowForm):
    shown_when = SHOWN

    of_dataset = dataset_field()
    kind = choice(KINDS, label="Made of", initial=Region.Kind.MASK)
    atlas = text("Absolute path of a NIfTI file with a number per area.", label="Atlas")
    table = text(
        "File that names the areas (.txt, .tsv, .csv, .xml, .lut). Only numbers without it.",
        label="Label table",
    )
    labels = text(
        "Names or numbers of areas, separated by commas. Show labels lists those of the table.",
        placeholder="lAMY, rAMY   or   19, 44",
    )
    map_file = text("Absolute path of a NIfTI file of values.", label="Map")
    above = number("Voxels with larger values belong.")
    below = number("Voxels with smaller values belong.")
    whole = forms.ModelChoiceField(
        Region.objects.none(),
        required=False,
        widget=UnfoldAdminSelectWidget,
        help_text="The region from which others are taken away.",
    )
    members = forms.ModelMultipleChoiceField(
        Region.objects.none(),
        label="Regions",
        required=False,
        widget=UnfoldAdminCheckboxSelectMultipleWidget,
        help_text="United; for a difference: taken away. Written out now, so that the region stays as it is.",
    )
    side = choice(SIDES, "Which half of it, by the x coordinate of voxels on the BOLD grid.")
    space = text(
        "Where the file's name does not say or is wrong, such as MNI152NLin2009cAsym.", label="Space"
    )
    resample = choice(GRIDS, "What happens on another grid than that of the runs.", label="Other grids")

    class Meta:
        model = Region
        fields = ["name", "kind", "mask_path"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        known = Region.objects.exclude(kind=Region.Kind.WEIGHTS).select_related("dataset")
        for name in ("whole", "members"):
            if name in self.fields:
                self.fields[name].queryset = known  # type: ignore[attr-defined]

    def clean(self) -> dict[str, Any]:
        data: dict[str, Any] = super().clean() or {}
        data["kind"] = data.get("kind") or Region.Kind.MASK
        if not self.errors:
            with said_in(self, fields=FIELDS, otherwise=FILES.get(data["kind"])):
                data["regions"] = self._parts(data)
                data["spec"] = self._spec(data)
                services.check_region(
                    dataset=data["of_dataset"],
                    name=data["name"],
                    kind=data["kind"],
                    mask_path=Path(data.get("mask_path") or ""),
                    spec=data["spec"],
                    parts=data["regions"],
                )
        return data

    def _parts(self, data: dict[str, Any]) -> list[Region]:
        chosen = list(data.get("members") or [])
        if data["kind"] == Region.Kind.DIFFERENCE:
            whole = data.get("whole")
            if whole is None or not chosen:
                missing = "members" if whole else "whole"
                raise InputError(missing, "none was chosen", "a region and what to take away")
            return [whole, *(part for part in chosen if part != whole)]
        if data["kind"] == Region.Kind.UNION and not chosen:
            raise InputError("members", "none were chosen", "one or more regions")
        return chosen if data["kind"] == Region.Kind.UNION else []

    def _spec(self, data: dict[str, Any]) -> dict[str, Any]:
        """What stands in a configuration beside the mask or the parts."""
        found = given(data, ["side", "space"])
        if data.get("resample"):
            found["resample"] = False
        if data["kind"] == Region.Kind.ATLAS:
            found |= {"atlas": data["atlas"], "labels": labels_of(data["labels"]), **given(data, ["table"])}
        if data["kind"] == Region.Kind.MAP:
            found |= {"map": data["map_file"], **given(data, ["above", "below"])}
        return found
