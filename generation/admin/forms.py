"""The forms with which images are made, matched and imported; errors are shown beside the fields."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from django import forms
from unfold.widgets import (
    UnfoldAdminCheckboxSelectMultipleWidget,
    UnfoldAdminDecimalFieldWidget,
    UnfoldAdminFileFieldWidget,
    UnfoldAdminTextInputWidget,
)

from almond.errors import InputError
from almond.generating.folder import generated_folders
from almond.guidance.objectives import DEFAULT_OBJECTIVE, OBJECTIVES
from almond.guidance.rules import RULES
from almond.guidance.searches import DEFAULT_SEARCH, SEARCHES
from almond.stimuli.pairing.yardsticks import GROUPS
from encoder.models import Target
from generation.admin.guidance_form import GuidanceForm, with_calibration
from generation.admin.methods import (
    around_conditions,
    around_fields,
    around_places,
    read_around,
    read_method_settings,
    setting_field,
    setting_help,
    summaries,
)
from generation.models import Batch, ImageSet, MatchedSet, Recipe
from generation.services.batches import known_targets
from generation.services.checks import (
    check_matching,
    check_norms,
    check_recipe,
    check_source,
    check_theme_column,
    takes_rule,
)
from lab.append_only import RowForm, errors_shown_on
from lab.conditional_fields import Condition, ConditionalFields
from lab.typed_values import merged

LARGEST_UPLOAD = 1 << 30


class RecipeFields(ConditionalFields, GuidanceForm):
    """A recipe, without the fields that are made from the registries of searches and penalties."""

    level = forms.FloatField(
        required=False,
        widget=UnfoldAdminDecimalFieldWidget(attrs={"step": "0.1", "placeholder": "objective level only"}),
        help_text="The wanted score, in standard deviations of the reference images. Down: minus it.",
    )
    further = forms.CharField(
        label="Settings",
        required=False,
        widget=UnfoldAdminTextInputWidget(attrs={"placeholder": "as declared"}),
    )

    class Meta:
        model = Recipe
        fields = ["name", "prompt", "targets", "objective", "both_signs", "rule", "search", "generator"]
        widgets = {"targets": UnfoldAdminCheckboxSelectMultipleWidget}

    @classmethod
    def conditions_shown(cls) -> Mapping[str, Condition]:
        return around_conditions()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "targets" in self.fields:
            self.fields["objective"].required = self.fields["search"].required = False
            for name, registry in (("objective", OBJECTIVES), ("rule", RULES), ("search", SEARCHES)):
                self.fields[name].help_text = summaries(registry)
            self.fields["further"].help_text = setting_help()

    def clean(self) -> dict[str, Any]:
        data = super().clean()
        data["search"] = data.get("search") or DEFAULT_SEARCH
        with errors_shown_on(self, at="further"):
            data["settings"] = read_method_settings(data.get("further", ""), data.get("level"))
        if not self.errors:
            searched, data["penalties"], data["view"] = read_around(data)
            own = {name: setting_field(data["search"], name) for name in searched}
            with errors_shown_on(self, fields=around_places() | own):
                data["settings"] = merged(searched, data["settings"])
                self._check(data)
        return data

    def _check(self, data: dict[str, Any]) -> None:
        """Fill what was left empty with the generator's calibration, then check the whole."""
        data["objective"] = data["objective"] or DEFAULT_OBJECTIVE
        if not takes_rule(data["search"]):
            data["strength_list"] = [0.0]
        data |= with_calibration(data)
        same = ("prompt", "generator", "rule", "objective", "settings", "search", "penalties", "view")
        check_recipe(
            seeds=data["seed_list"],
            targets=list(data["targets"]),
            **{name: data[name] for name in (*same, "strengths", "window", "ramp", "steps")},
        )


RecipeForm: type[RecipeFields] = type(
    "RecipeForm", (RecipeFields,), {**around_fields(), "__module__": __name__}
)
"""A recipe; settings of searches, penalties and the view are fields of their own."""


class BatchForm(RowForm):
    class Meta:
        model = Batch
        fields = ["name", "recipes", "judges"]
        widgets = {
            "recipes": UnfoldAdminCheckboxSelectMultipleWidget,
            "judges": UnfoldAdminCheckboxSelectMultipleWidget,
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "judges" in self.fields:
            judges = Target.objects.filter(role=Target.Role.JUDGE).exclude(digest="")
            self.fields["judges"].queryset = judges  # type: ignore[attr-defined]
            self.fields["judges"].help_text = "Empty: the judges of the guides' encoder."


class GeneratedFolderForm(forms.Form):
    """A folder that ``python -m almond generate`` wrote, or one that holds its shards."""

    name = forms.CharField(max_length=120, widget=UnfoldAdminTextInputWidget)
    folder = forms.CharField(
        max_length=1000,
        widget=UnfoldAdminTextInputWidget,
        help_text="On this server, under one of its data folders: one that python -m almond generate wrote, "
        "or one that holds its shards.",
    )

    def clean_name(self) -> str:
        name = str(self.cleaned_data["name"]).strip()
        if Batch.objects.filter(name=name).exists():
            raise forms.ValidationError("A batch of this name is there already.")
        return name

    def clean_folder(self) -> str:
        """Check the folder as the job will: what is there, and that its targets are this lab's."""
        folder = str(self.cleaned_data["folder"]).strip()
        try:
            known_targets(generated_folders(check_source(Path(folder), "folder"))[0])
        except InputError as error:
            raise forms.ValidationError(str(error)) from error
        return folder


class MatchedSetForm(RowForm):
    held = forms.MultipleChoiceField(
        label="Held constant",
        choices=[(name, label) for name, (label, _) in GROUPS.items()],
        widget=UnfoldAdminCheckboxSelectMultipleWidget,
        required=False,
        help_text="Within each target, by both yardsticks; people are the same in both pictures. None: all, "
        "without the scores of the other targets where recipes push a target rather than the others, and "
        "without people where nothing reads them. Judges’ scores of the other targets are measured but never "
        "choose.",
    )

    class Meta:
        model = MatchedSet
        fields = ["name", "batches", "tolerance", "paired", "scenes", "budget", "scored_by"]
        widgets = {"batches": UnfoldAdminCheckboxSelectMultipleWidget}

    def clean(self) -> dict[str, Any]:
        data: dict[str, Any] = super().clean() or {}
        if not self.errors:
            with errors_shown_on(self):
                check_matching(
                    batches=list(data["batches"]), tolerance=data["tolerance"], scored_by=data["scored_by"]
                )
        return data


class ImageSetForm(RowForm):
    folder = forms.CharField(
        required=False,
        widget=UnfoldAdminTextInputWidget,
        help_text="Of images, on this server, under one of its data folders.",
    )
    norms_file = forms.CharField(
        label="Norms",
        required=False,
        widget=UnfoldAdminTextInputWidget,
        help_text="A CSV on this server: one column names the images, others are norms.",
    )
    archive = forms.FileField(
        label="… or a zip file",
        required=False,
        widget=UnfoldAdminFileFieldWidget,
        help_text="Instead of a folder.",
    )
    norms_upload = forms.FileField(
        label="… with its norms", required=False, widget=UnfoldAdminFileFieldWidget, help_text="A CSV."
    )
    theme_column = forms.CharField(
        label="Column of themes",
        required=False,
        widget=UnfoldAdminTextInputWidget,
        help_text="The column of the norms that says what several images share, such as their motif. It may "
        "also be the column that names the images: numbers at the end are left off (Acorns 1, Acorns 2). "
        "Without one, every image counts as a theme of its own.",
    )

    norm_columns = forms.CharField(
        label="Columns that are norms",
        required=False,
        widget=UnfoldAdminTextInputWidget,
        help_text="Separated by commas: Valence_mean, Arousal_mean. Tests are corrected for as many as there "
        "are. Empty: every column of numbers that does not look like a count or a spread (Valence_N, "
        "Valence_SD).",
    )

    class Meta:
        model = ImageSet
        fields = ["name"]

    def clean_norm_columns(self) -> list[str]:
        names = [name.strip() for name in str(self.cleaned_data["norm_columns"]).split(",")]
        return list(dict.fromkeys(name for name in names if name))

    def clean(self) -> dict[str, Any]:
        data: dict[str, Any] = super().clean() or {}
        if bool(data.get("folder")) == bool(data.get("archive")):
            self.add_error("folder", "Give a folder, or upload a zip file: one of the two.")
        archive = data.get("archive")
        if archive is not None and archive.size > LARGEST_UPLOAD:
            self.add_error("archive", "Larger than 1 GiB: copy it to a data folder of the server instead.")
        elif archive is not None:
            if not zipfile.is_zipfile(archive):
                self.add_error("archive", f"{archive.name}: is not a zip file (expected one of images)")
            archive.seek(0)
        with errors_shown_on(self, at="folder"):
            if data.get("folder"):
                check_source(Path(data["folder"]), "folder")
        with errors_shown_on(self, at="norms_file"):
            if data.get("norms_file"):
                check_norms(Path(data["norms_file"]))
        with errors_shown_on(self, at="theme_column"):
            check_theme_column(
                data.get("theme_column", ""), data.get("norms_file") or data.get("norms_upload")
            )
        return data


class RematchForm(forms.Form):
    tolerance = forms.FloatField(min_value=0.001, max_value=10)
    paired = forms.FloatField(min_value=0.001, max_value=100, required=False)


class ComparisonForm(forms.Form):
    image_set = forms.ModelChoiceField(ImageSet.objects.filter(imported_at__isnull=False))
    column = forms.CharField(required=False)


class ScoringForm(forms.Form):
    targets = forms.ModelMultipleChoiceField(Target.objects.exclude(digest=""))
