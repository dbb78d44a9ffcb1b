"""The forms with which images are made, matched and imported; errors are shown beside the fields."""

from __future__ import annotations

import re
import zipfile
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
from almond.guidance.added.store import defaults_for
from almond.guidance.generators import known_generators
from almond.guidance.objectives import DEFAULT_OBJECTIVE, OBJECTIVES
from almond.guidance.rules import RULES
from almond.stimuli.pairing.yardsticks import GROUPS
from encoder.models import Target
from generation.admin.methods import read_method_settings, setting_help, summaries
from generation.models import Batch, ImageSet, MatchedSet, Recipe
from generation.services.checks import (
    MOST_SEEDS,
    check_matching,
    check_norms,
    check_recipe,
    check_source,
    check_theme_column,
)
from lab.append_only import RowForm, errors_shown_on
from lab.typed_values import read_numbers

LARGEST_UPLOAD = 1 << 30


def read_seeds(text: str) -> list[int]:
    """Read ``1-4, 9`` as [1, 2, 3, 4, 9]."""
    seeds: list[int] = []
    for part in filter(None, re.split(r"[,\s]+", text)):
        ends = re.fullmatch(r"(\d{1,12})(?:[-–](\d{1,12}))?", part)
        if not ends:
            raise InputError("seeds", f"{part!r}", "whole numbers and ranges such as 1-4, 9")
        first, last = int(ends[1]), int(ends[2] or ends[1])
        if last - first >= MOST_SEEDS:
            raise InputError("seeds", f"{part!r} is too many", f"at most {MOST_SEEDS}")
        seeds += range(first, last + 1)
    return seeds


def _calibrated(step: str) -> UnfoldAdminDecimalFieldWidget:
    """Make the widget of a number that may be left empty: the generator's calibration then holds."""
    return UnfoldAdminDecimalFieldWidget(attrs={"step": step, "placeholder": "as calibrated"})


class RecipeForm(RowForm):
    seeds = forms.CharField(
        initial="1-4",
        widget=UnfoldAdminTextInputWidget,
        help_text="For example 1-4, 9. Each seed is one base scene.",
    )
    strengths = forms.CharField(
        required=False,
        widget=UnfoldAdminTextInputWidget(attrs={"placeholder": "as calibrated for the generator"}),
        help_text="For example 0.1, 0.2. Unit-free: 1 is as strong as the text guidance.",
    )
    window_low = forms.FloatField(
        label="Window from",
        required=False,
        min_value=0,
        max_value=1,
        widget=_calibrated("0.01"),
        help_text="In alpha-bar: 0 is noise, 1 the finished image.",
    )
    window_high = forms.FloatField(
        label="Window to",
        required=False,
        min_value=0,
        max_value=1,
        widget=_calibrated("0.01"),
        help_text="Guidance ends here, before the steps that only add texture.",
    )
    ramp = forms.FloatField(
        required=False,
        min_value=0,
        max_value=0.5,
        widget=_calibrated("0.01"),
        help_text="Share of the window over which guidance fades in and out.",
    )
    steps = forms.IntegerField(required=False, min_value=1, widget=_calibrated("1"))
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
        fields = ["name", "prompt", "targets", "objective", "both_signs", "rule", "generator"]
        widgets = {"targets": UnfoldAdminCheckboxSelectMultipleWidget}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "targets" in self.fields:
            guides = Target.objects.filter(role=Target.Role.GUIDE).exclude(digest="")
            self.fields["targets"].queryset = guides  # type: ignore[attr-defined]
            self.fields["generator"].help_text = known_generators("the folder of a diffusers pipeline") + "."
            self.fields["objective"].required = False
            self.fields["objective"].help_text = summaries(OBJECTIVES)
            self.fields["rule"].help_text = summaries(RULES)
            self.fields["further"].help_text = setting_help()

    def clean(self) -> dict[str, Any]:
        data: dict[str, Any] = super().clean() or {}
        with errors_shown_on(self):
            data["seed_list"] = read_seeds(data.get("seeds", ""))
        with errors_shown_on(self):
            data["strength_list"] = read_numbers(data.get("strengths", ""), "strengths")
        with errors_shown_on(self, at="further"):
            data["settings"] = read_method_settings(data.get("further", ""), data.get("level"))
        if not self.errors:
            with errors_shown_on(self):
                self._check(data)
        return data

    def _check(self, data: dict[str, Any]) -> None:
        """Fill what was left empty with the generator's calibration, then check the whole."""
        usual = defaults_for(data["generator"])
        data["objective"] = data["objective"] or DEFAULT_OBJECTIVE
        data["strength_list"] = data["strength_list"] or list(usual.strengths)
        low, high, ramp, steps = (data[name] for name in ("window_low", "window_high", "ramp", "steps"))
        data["window_low"] = usual.window[0] if low is None else low
        data["window_high"] = usual.window[1] if high is None else high
        data["ramp"] = usual.ramp if ramp is None else ramp
        data["steps"] = usual.steps if steps is None else steps
        check_recipe(
            prompt=data["prompt"],
            generator=data["generator"],
            seeds=data["seed_list"],
            targets=list(data["targets"]),
            strengths=data["strength_list"],
            window=(data["window_low"], data["window_high"]),
            ramp=data["ramp"],
            steps=data["steps"],
            rule=data["rule"],
            objective=data["objective"],
            settings=data["settings"],
        )


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
