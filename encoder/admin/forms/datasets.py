"""The form of a dataset, with its first masks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django import forms
from unfold.widgets import UnfoldAdminTextareaWidget

from almond.errors import InputError
from encoder import services
from encoder.models import Dataset
from encoder.services.layout import check_layout, check_mask_file
from lab.written_once import RowForm, said_in


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
        help_text="One per line: name = path of a NIfTI mask. Atlases, maps and combinations come later, "
        "from the page of the dataset.",
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
        with said_in(self):
            if data.get("root"):
                check_layout(Path(data["root"]))
        with said_in(self, at="masks"):
            data["regions"] = region_lines(data.get("masks", ""))
            for _, mask in data["regions"]:
                check_mask_file(mask)
        with said_in(self, at="anatomy"):
            if data.get("anatomy"):
                check_mask_file(Path(data["anatomy"]))
        return data
