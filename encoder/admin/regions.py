"""The pages of regions of interest."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, JsonResponse
from django.urls import URLPattern, path
from unfold.decorators import display

from almond.errors import InputError
from encoder import services
from encoder.admin.forms.regions import RegionForm
from encoder.models import Region
from encoder.services import region_values
from lab.append_only import AppendOnlyAdmin, actor


@admin.register(Region)
class RegionAdmin(AppendOnlyAdmin):
    form = RegionForm
    list_display = ["name", "dataset", "kind", "made_of"]
    list_filter = ["dataset", "kind"]
    list_select_related = ["dataset"]
    change_form_outer_before_template = "admin/encoder/region.html"
    deletable = True

    class Media:
        js = ["js/labels.js"]

    @display(description="definition")  # type: ignore[untyped-decorator]
    def made_of(self, row: Region) -> str:
        return region_values.in_words(row)

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        if obj:
            return [(None, {"fields": ["dataset", "name", "kind"]})]
        sources = [
            "mask_path",
            "atlas",
            "table",
            "labels",
            "map_file",
            ("above", "below"),
            "whole",
            "members",
        ]
        return [
            (None, {"fields": ["of_dataset", "name", "kind", *sources]}),
            ("Part and grid", {"fields": ["side", ("space", "resample")]}),
        ]

    def create(self, data: dict[str, Any], request: HttpRequest) -> Region:
        return services.add_region(
            dataset=data["of_dataset"],
            name=data["name"],
            kind=data["kind"],
            mask_path=data["mask_path"] if data["kind"] == "mask" else "",
            spec=data["spec"],
            parts=data["regions"],
            by=actor(request),
        )

    def page(self, request: HttpRequest, row: Region) -> dict[str, Any]:
        return {"in_words": region_values.in_words(row)}

    def get_urls(self) -> list[URLPattern]:
        labels = self.admin_site.admin_view(self.labels)
        return [path("labels/", labels, name="encoder_region_labels"), *super().get_urls()]

    def labels(self, request: HttpRequest) -> JsonResponse:
        """List the names in a label table, for someone who may add regions."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        try:
            labels = region_values.labels_of(request.GET.get("table", ""), Path("/"))
        except InputError as error:
            return JsonResponse({"error": str(error)}, status=400)
        return JsonResponse({"labels": sorted(labels.items())})
