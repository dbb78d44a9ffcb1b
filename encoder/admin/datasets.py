"""The pages of datasets."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from unfold.decorators import display

from encoder import services
from encoder.admin.forms.datasets import DatasetForm
from encoder.models import Dataset
from encoder.services import region_values
from lab.append_only import AppendOnlyAdmin, actor


@admin.register(Dataset)
class DatasetAdmin(AppendOnlyAdmin):
    form = DatasetForm
    list_display = ["name", "kind", "subject_count", "runs", "region_names"]
    list_filter = ["kind"]
    search_fields = ["name", "description"]
    change_form_outer_before_template = "admin/encoder/dataset.html"
    deletable = True

    @display(description="subjects")  # type: ignore[untyped-decorator]
    def subject_count(self, row: Dataset) -> int:
        return len(row.subjects)

    @display(description="regions")  # type: ignore[untyped-decorator]
    def region_names(self, row: Dataset) -> str:
        return ", ".join(region.name for region in row.regions.all())

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        names = ["name", "root", "kind", "description", "anatomy"]
        return [(None, {"fields": names if obj else [*names, "masks"]})]

    def create(self, data: dict[str, Any], request: HttpRequest) -> Dataset:
        dataset = services.create_dataset(
            name=data["name"],
            root=data["root"],
            kind=data["kind"],
            description=data["description"],
            anatomy=data["anatomy"],
            by=actor(request),
        )
        for name, mask in data["regions"]:
            services.add_region(dataset=dataset, name=name, mask_path=mask, by=actor(request))
        return dataset

    def page(self, request: HttpRequest, row: Dataset) -> dict[str, Any]:
        regions = row.regions.select_related("dataset")
        return {"regions": [(region, region_values.in_words(region)) for region in regions]}
