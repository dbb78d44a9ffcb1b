"""The form of a dataset, with its first masks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django import forms
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextareaWidget

from almond.errors import InputError
from encoder.models import Dataset
from encoder.services.datasets import check_dataset
from encoder.services.nifti_files import check_nifti_file
from encoder.services.regions import check_region_name
from lab.append_only import RowForm, errors_shown_on


def region_lines(text: str) -> list[tuple[str, Path]]:
    """Read ``LB = /path/mask.nii.gz``, one per line, as pairs of name and path.

    :raises InputError: a line of another form, a name that cannot name a region, or one that is given twice.
    """
    pairs = []
    for line in filter(None, (line.strip() for line in text.splitlines())):
        name, mark, file = (piece.strip() for piece in line.partition("="))
        if not mark or not name or not file:
            raise InputError("masks", f"{line!r}", "name = path of a NIfTI mask, one per line")
        pairs.append((name, Path(file)))
    names = [name for name, _ in pairs]
    for name in names:
        check_region_name(name)
    if len(set(names)) != len(names):
        raise InputError("masks", "a region is named twice", "each region once")
    return pairs


def dataset_field(*, required: bool = True) -> Any:
    """Make the choice of a dataset. Do not call it ``dataset``, a name that Unfold itself posts."""
    return forms.ModelChoiceField(
        Dataset.objects.exclude(kind=Dataset.Kind.WEIGHTS),
        label="Dataset",
        required=required,
        widget=UnfoldAdminSelectWidget,
    )


class DatasetForm(RowForm):
    masks = forms.CharField(
        label="Region masks",
        required=False,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 4, "placeholder": "LB = /data/masks/LB.nii.gz"}),
        help_text="One per line: name = absolute path of a NIfTI mask. Regions made of atlases, maps or "
        "other regions are added later, on the page of the dataset.",
    )

    class Meta:
        model = Dataset
        fields = ["name", "root", "kind", "description", "anatomy"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "kind" in self.fields:
            kinds = [kind for kind in Dataset.Kind.choices if kind[0] != Dataset.Kind.WEIGHTS]
            self.fields["kind"].choices = kinds  # type: ignore[attr-defined]

    def clean(self) -> dict[str, Any]:
        data: dict[str, Any] = super().clean() or {}
        with errors_shown_on(self):
            if data.get("root"):
                check_dataset(Path(data["root"]))
        with errors_shown_on(self, at="masks"):
            data["regions"] = region_lines(data.get("masks", ""))
            for _, mask in data["regions"]:
                check_nifti_file(mask)
        with errors_shown_on(self, at="anatomy"):
            if data.get("anatomy"):
                check_nifti_file(Path(data["anatomy"]))
        return data
