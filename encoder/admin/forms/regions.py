"""The form of a region: a mask, areas of an atlas, a thresholded map, or other regions combined."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django import forms
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget, UnfoldAdminSelectWidget

from almond.errors import InputError
from encoder import choices
from encoder.admin.forms.datasets import dataset_field
from encoder.models import Region
from encoder.services.regions import check_region
from lab.append_only import RowForm, errors_shown_on
from lab.conditional_fields import ConditionalFields, when
from lab.fields import choice_field, number_field, text_field
from lab.typed_values import filled_in, read_names

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
"""Field -> when it has a meaning."""


def labels_of(typed: str) -> list[int | str]:
    """Read ``19, Amygdala_L`` as [19, "Amygdala_L"]."""
    return [int(part) if part.isdigit() else part for part in read_names(typed)]


class RegionForm(ConditionalFields, RowForm):
    shown_when = SHOWN

    of_dataset = dataset_field()
    kind = choice_field(choices.region_kinds, label="Made of", initial="mask")
    atlas = text_field("Absolute path of a NIfTI file with one number per area.", label="Atlas")
    table = text_field(
        "File with the names of the areas (.txt, .tsv, .csv, .xml, .lut). Without it, labels are numbers.",
        label="Label table",
    )
    labels = text_field(
        "Names or numbers of areas, separated by commas. “Show labels” lists those of the table.",
        placeholder="lAMY, rAMY   or   19, 44",
    )
    map_file = text_field("Absolute path of a NIfTI file of values.", label="Map")
    above = number_field("Voxels with larger values belong to the region.")
    below = number_field("Voxels with smaller values belong to the region.")
    whole = forms.ModelChoiceField(
        Region.objects.none(),
        required=False,
        widget=UnfoldAdminSelectWidget,
        help_text="The region from which the others are subtracted.",
    )
    members = forms.ModelMultipleChoiceField(
        Region.objects.none(),
        label="Regions",
        required=False,
        widget=UnfoldAdminCheckboxSelectMultipleWidget,
        help_text="Regions to unite or, for a difference, to subtract. Their descriptions are copied: a "
        "region that is deleted later does not change the new one.",
    )
    side = choice_field(SIDES, "Hemisphere, by the x coordinate of voxels on the BOLD grid.")
    space = text_field(
        "Only where the file name does not give the right one, such as MNI152NLin2009cAsym.", label="Space"
    )
    resample = choice_field(
        GRIDS, "What to do with a file on another grid than that of the runs.", label="Other grids"
    )

    class Meta:
        model = Region
        fields = ["name", "kind", "mask_path"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        known = Region.objects.exclude(kind=choices.WEIGHTS_ONLY).select_related("dataset")
        for name in ("whole", "members"):
            if name in self.fields:
                self.fields[name].queryset = known  # type: ignore[attr-defined]

    def clean(self) -> dict[str, Any]:
        data: dict[str, Any] = super().clean() or {}
        data["kind"] = data.get("kind") or "mask"
        if not self.errors:
            with errors_shown_on(self, fields=FIELDS, otherwise=FILES.get(data["kind"])):
                data["regions"] = self._parts(data)
                data["spec"] = self._spec(data)
                check_region(
                    dataset=data["of_dataset"],
                    name=data["name"],
                    kind=data["kind"],
                    mask_path=Path(data.get("mask_path") or ""),
                    spec=data["spec"],
                    parts=data["regions"],
                )
        return data

    def _parts(self, data: dict[str, Any]) -> list[Region]:
        members = list(data.get("members") or [])
        if data["kind"] == "difference":
            whole = data.get("whole")
            if whole is None or not members:
                missing = "members" if whole else "whole"
                raise InputError(missing, "none is selected", "a region and those to subtract")
            return [whole, *(part for part in members if part != whole)]
        if data["kind"] == "union" and not members:
            raise InputError("members", "none is selected", "one or more regions")
        return members if data["kind"] == "union" else []

    def _spec(self, data: dict[str, Any]) -> dict[str, Any]:
        """Collect what a configuration says beside the mask or the parts."""
        spec = filled_in(data, ["side", "space"])
        if data.get("resample"):
            spec["resample"] = False
        if data["kind"] == "atlas":
            spec |= {
                "atlas": data["atlas"],
                "labels": labels_of(data["labels"]),
                **filled_in(data, ["table"]),
            }
        if data["kind"] == "map":
            spec |= {"map": data["map_file"], **filled_in(data, ["above", "below"])}
        return spec
