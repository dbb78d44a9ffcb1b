"""What the forms of recipes and diagnoses share: how strongly, where and over how many steps is guided."""

from __future__ import annotations

import re
from typing import Any

from django import forms
from unfold.widgets import UnfoldAdminDecimalFieldWidget, UnfoldAdminTextInputWidget

from almond.errors import InputError
from almond.guidance.added.store import defaults_for
from almond.guidance.generators import known_generators
from encoder.models import Target
from generation.services.checks import MOST_SEEDS
from lab.append_only import RowForm, errors_shown_on
from lab.typed_values import read_numbers

RANGE = re.compile(r"(\d{1,12})(?:[-–](\d{1,12}))?")


def read_seeds(text: str) -> list[int]:
    """Read ``1-4, 9`` as [1, 2, 3, 4, 9].

    :raises InputError: anything else, or a range of more than ``MOST_SEEDS``.
    """
    seeds: list[int] = []
    for part in filter(None, re.split(r"[,\s]+", text)):
        ends = RANGE.fullmatch(part)
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


class GuidanceForm(RowForm):
    """Seeds, strengths, window, ramp and steps; what is left empty is as the generator was calibrated."""

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

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "targets" in self.fields:
            self.fields["targets"].queryset = Target.objects.guides()  # type: ignore[attr-defined]
            self.fields["generator"].help_text = known_generators("the folder of a diffusers pipeline") + "."

    def clean(self) -> dict[str, Any]:
        """Read the lists of numbers: ``seed_list`` and ``strength_list``."""
        data: dict[str, Any] = super().clean() or {}
        with errors_shown_on(self):
            data["seed_list"] = read_seeds(data.get("seeds", ""))
        with errors_shown_on(self):
            data["strength_list"] = read_numbers(data.get("strengths", ""), "strengths")
        return data


def with_calibration(data: dict[str, Any]) -> dict[str, Any]:
    """Return strengths, window, ramp and steps of a form's values, as calibrated where they are empty.

    :raises InputError: the file of an added generator is not what was written.
    """
    usual = defaults_for(data["generator"])
    low, high, ramp, steps = (data[name] for name in ("window_low", "window_high", "ramp", "steps"))
    return {
        "strengths": data["strength_list"] or list(usual.strengths),
        "window": (usual.window[0] if low is None else low, usual.window[1] if high is None else high),
        "ramp": usual.ramp if ramp is None else ramp,
        "steps": usual.steps if steps is None else steps,
    }
