"""What an experimenter fills in to add datasets, encoders and targets; checked where it is typed."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from django import forms
from unfold.widgets import (
    UnfoldAdminCheckboxSelectMultipleWidget,
    UnfoldAdminDecimalFieldWidget,
    UnfoldAdminIntegerFieldWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
)

from almond.errors import InputError
from encoder import services
from encoder.fit_settings import DEFAULTS
from encoder.layout import check_layout, check_mask_file
from encoder.models import Dataset, Encoder, FeatureSpace, Region, Target
from encoder.written_once import RowForm, said_in


def read_weights(text: str) -> dict[str, float]:
    """``LB, CM=-0.5`` -> {"LB": 1.0, "CM": -0.5}; ``InputError`` names the part that is wrong."""
    weights: dict[str, float] = {}
    for part in filter(None, (piece.strip() for piece in text.replace("\n", ",").split(","))):
        name, _, value = (piece.strip() for piece in part.partition("="))
        try:
            weights[name] = float(value) if value else 1.0
        except ValueError as error:
            raise InputError(
                "weights", f"{part!r} has no number", "region=weight, comma separated"
            ) from error
    return weights


def region_lines(text: str) -> list[tuple[str, Path]]:
    """``LB = /path/mask.nii.gz`` one per line -> pairs of name and path."""
    found = []
    for line in filter(None, (line.strip() for line in text.splitlines())):
        name, mark, file = (piece.strip() for piece in line.partition("="))
        if not mark or not name or not file:
            raise InputError("masks", f"{line!r}", "name = path of a NIfTI mask, one per line")
        found.append((name, Path(file)))
    names = [name for name, _ in found]
    for name in names:
        services.check_region_name(name)
    if len(set(names)) != len(names):
        raise InputError("masks", "a region is named twice", "each region once")
    return found


class DatasetForm(RowForm):
    masks = forms.CharField(
        label="Region masks",
        required=False,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 4, "placeholder": "LB = /data/masks/LB.nii.gz"}),
        help_text="One per line: name = path of a NIfTI mask on the grid of the BOLD runs.",
    )

    class Meta:
        model = Dataset
        fields = ["name", "root", "kind", "description"]

    def clean(self) -> dict[str, Any]:
        data: dict[str, Any] = super().clean() or {}
        with said_in(self):
            if data.get("root"):
                check_layout(Path(data["root"]))
        with said_in(self):
            data["regions"] = region_lines(data.get("masks", ""))
            for _, mask in data["regions"]:
                _check_mask(mask)
        return data


def _check_mask(mask: Path) -> None:
    try:
        check_mask_file(mask)
    except InputError as error:
        raise InputError("masks", str(error)) from error


def dataset_field() -> Any:
    """The choice of a dataset; not called ``dataset``, a name that unfold takes for its own when posted."""
    return forms.ModelChoiceField(Dataset.objects.all(), label="Dataset", widget=UnfoldAdminSelectWidget)


class RegionForm(RowForm):
    of_dataset = dataset_field()

    class Meta:
        model = Region
        fields = ["name", "mask_path"]

    def clean(self) -> dict[str, Any]:
        data: dict[str, Any] = super().clean() or {}
        if not self.errors:
            with said_in(self):
                services.check_region(
                    dataset=data["of_dataset"], name=data["name"], mask_path=Path(data["mask_path"])
                )
        return data


class FeatureSpaceForm(RowForm):
    class Meta:
        model = FeatureSpace
        fields = ["name", "kind", "path"]

    def clean(self) -> dict[str, Any]:
        data: dict[str, Any] = super().clean() or {}
        if data.get("kind") == FeatureSpace.Kind.TABLE:
            try:
                services.check_table_file(Path(data.get("path") or ""))
            except InputError as error:
                self.add_error("path", str(error))
        elif data.get("path"):
            self.add_error("path", "Only a table has a file.")
        return data


class EncoderForm(RowForm):
    of_dataset = dataset_field()
    components = forms.IntegerField(
        min_value=1,
        initial=DEFAULTS["components"],
        widget=UnfoldAdminIntegerFieldWidget,
        help_text="The largest number that partial least squares may choose; ridge chooses its penalty.",
    )
    folds = forms.IntegerField(
        min_value=2,
        initial=DEFAULTS["folds"],
        widget=UnfoldAdminIntegerFieldWidget,
        help_text="Contiguous blocks of each subject's time series.",
    )
    gap = forms.FloatField(
        min_value=0,
        initial=DEFAULTS["gap"],
        widget=UnfoldAdminDecimalFieldWidget,
        help_text="Seconds left out on both sides of a held-out block.",
    )

    class Meta:
        model = Encoder
        fields = ["name", "feature_space", "model", "regions"]
        widgets = {"regions": UnfoldAdminCheckboxSelectMultipleWidget}

    def clean(self) -> dict[str, Any]:
        data: dict[str, Any] = super().clean() or {}
        data["config"] = {name: data.get(name) for name in ("components", "folds", "gap")}
        if not self.errors:
            with said_in(self):
                services.check_encoder(
                    name=data["name"],
                    dataset=data["of_dataset"],
                    feature_space=data["feature_space"],
                    regions=list(data["regions"]),
                    model=data["model"],
                    config=data["config"],
                )
        return data


class TargetForm(RowForm):
    weights = forms.CharField(
        required=False,
        widget=UnfoldAdminTextInputWidget(attrs={"placeholder": "LB   or   CM=1, AStr=-1"}),
        help_text="Region, or region=weight separated by commas. Empty: the region of the target's name.",
    )
    subjects = forms.CharField(
        required=False,
        widget=UnfoldAdminTextInputWidget(attrs={"placeholder": "01, 02, 03"}),
        help_text="Whose weights are averaged. Empty: all fitted ones. A judge shares none with a guide.",
    )
    reference_kind = forms.ChoiceField(
        label="Standardised on",
        choices=[
            ("world", "scenes drawn by the simulated world"),
            ("folder", "images in a folder"),
            ("table", "the encoder's own feature table"),
        ],
        widget=UnfoldAdminSelectWidget,
        help_text="Scores are in standard deviations of these images.",
    )
    scenes = forms.IntegerField(
        min_value=20,
        required=False,
        initial=services.REFERENCE_SCENES,
        widget=UnfoldAdminIntegerFieldWidget,
        help_text="How many scenes to draw.",
    )
    folder = forms.CharField(required=False, widget=UnfoldAdminTextInputWidget, help_text="Of images.")

    class Meta:
        model = Target
        fields = ["name", "encoder", "role"]

    def clean(self) -> dict[str, Any]:
        data: dict[str, Any] = super().clean() or {}
        if self.errors:
            return data
        with said_in(self):
            named = [part.strip() for part in data["subjects"].split(",") if part.strip()]
            data["chosen"] = named or services.fitted_subjects(data["encoder"])
            data["coefficients"] = read_weights(data["weights"]) or {data["name"]: 1.0}
            data["reference"] = self._reference(data)
            services.check_target(
                name=data["name"],
                encoder=data["encoder"],
                role=data["role"],
                subjects=data["chosen"],
                coefficients=data["coefficients"],
            )
        return data

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
