"""The encoding pages: datasets, regions, feature spaces, targets; fits and reports in their own modules."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, JsonResponse
from django.urls import URLPattern, path
from unfold.decorators import display

from almond.errors import InputError
from encoder import services
from encoder.admin import forms
from encoder.admin.fits import EncoderAdmin, EncoderVersionAdmin
from encoder.admin.reports import EncoderReportAdmin
from encoder.models import Dataset, FeatureSpace, Region, Target
from encoder.services import feature_values, region_values
from lab.written_once import Deed, WrittenOnceAdmin, actor

__all__ = [
    "DatasetAdmin",
    "EncoderAdmin",
    "EncoderReportAdmin",
    "EncoderVersionAdmin",
    "FeatureSpaceAdmin",
    "RegionAdmin",
    "TargetAdmin",
]


@admin.register(Dataset)
class DatasetAdmin(WrittenOnceAdmin):
    form = forms.DatasetForm
    list_display = ["name", "kind", "subject_count", "runs", "region_names"]
    list_filter = ["kind"]
    search_fields = ["name", "description"]
    change_form_outer_before_template = "admin/encoder/dataset.html"
    deletable = True

    @display(description="subjects")
    def subject_count(self, row: Dataset) -> int:
        return len(row.subjects)

    @display(description="regions")
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


@admin.register(Region)
class RegionAdmin(WrittenOnceAdmin):
    form = forms.RegionForm
    list_display = ["name", "dataset", "kind", "made_of"]
    list_filter = ["dataset", "kind"]
    list_select_related = ["dataset"]
    change_form_outer_before_template = "admin/encoder/region.html"
    deletable = True

    class Media:
        js = ["js/labels.js"]

    @display(description="made of")
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
            ("Which part, on which grid", {"fields": ["side", ("space", "resample")]}),
        ]

    def create(self, data: dict[str, Any], request: HttpRequest) -> Region:
        return services.add_region(
            dataset=data["of_dataset"],
            name=data["name"],
            kind=data["kind"],
            mask_path=data["mask_path"] if data["kind"] == Region.Kind.MASK else "",
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
        """The names in a label table, for someone who may add regions."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        try:
            found = region_values.labels_of(request.GET.get("table", ""), Path("/"))
        except InputError as error:
            return JsonResponse({"error": str(error)}, status=400)
        return JsonResponse({"labels": sorted(found.items())})


@admin.register(FeatureSpace)
class FeatureSpaceAdmin(WrittenOnceAdmin):
    form = forms.FeatureSpaceForm
    list_display = ["name", "kind", "dimension", "short_digest"]
    change_form_outer_before_template = "admin/encoder/feature_space.html"
    deletable = True

    @display(description="digest")
    def short_digest(self, row: FeatureSpace) -> str:
        return row.digest[:12]

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        if obj:
            return [(None, {"fields": ["name", "kind", "path"] if obj.path else ["name", "kind"]})]
        own = ["path", ("variable", "rows"), "interval", "conditions", "network", "folder", "pretrained"]
        network = ["weights", ("layer", "pool"), ("video", "every")]
        pixels = ["resize", "range", ("mean", "std"), "scale"]
        return [(None, {"fields": ["name", "kind", *own, *network, *pixels]})]

    def create(self, data: dict[str, Any], request: HttpRequest) -> FeatureSpace:
        is_table = data["kind"] == FeatureSpace.Kind.TABLE
        return services.create_feature_space(
            name=data["name"],
            kind=data["kind"],
            path=data["path"] if is_table else "",
            spec=data["spec"],
            by=actor(request),
        )

    def page(self, request: HttpRequest, row: FeatureSpace) -> dict[str, Any]:
        encoders = row.encoders.all() | row.banded_encoders.all()
        return {"in_words": feature_values.in_words(row), "encoders": encoders.distinct()}


@admin.register(Target)
class TargetAdmin(WrittenOnceAdmin):
    form = forms.TargetForm
    list_display = ["name", "role", "kind", "encoder", "subject_names", "state"]
    list_filter = ["role", "kind", "encoder"]
    list_select_related = ["encoder", "job"]
    search_fields = ["name", "digest"]
    change_form_outer_before_template = "admin/encoder/target.html"

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        if obj:
            return [(None, {"fields": ["name", "encoder", "role", "kind"]})]
        direction = ["direction", "weights", "number", "of", ("low", "high")]
        reference = ["reference_kind", "scenes", "folder"]
        return [
            (None, {"fields": ["name", "encoder", "role", *direction]}),
            ("Whose weights", {"fields": ["subjects", "each"]}),
            ("In which units", {"fields": reference}),
        ]

    @display(description="subjects")
    def subject_names(self, row: Target) -> str:
        return ", ".join(row.subjects)

    @display(description="state", label={"made": "success", "waiting": "warning"})
    def state(self, row: Target) -> str:
        return "made" if row.digest else "waiting"

    def create(self, data: dict[str, Any], request: HttpRequest) -> Target:
        shared = {
            "name": data["name"],
            "encoder": data["encoder"],
            "subjects": data["chosen"],
            "coefficients": data["coefficients"],
            "reference": data["reference"],
            "axis": data["axis"],
            "by": actor(request),
        }
        if data["each"]:
            return services.make_targets_of_each(**shared)[0]
        return services.make_target(role=data["role"], **shared)

    def deeds(self) -> dict[str, Deed]:
        return {"remake": self.remake, "judge": self.judge}

    def remake(self, request: HttpRequest, row: Target) -> None:
        services.ask_for_target(target=row, by=actor(request))
        messages.success(request, f"{row} is being made.")

    def judge(self, request: HttpRequest, row: Target) -> None:
        made = services.make_judge(guide=row, by=actor(request))
        messages.success(request, f"{made}, of all other subjects, is being made.")

    def page(self, request: HttpRequest, row: Target) -> dict[str, Any]:
        own = row.own_judges.first()
        may_judge = row.role == Target.Role.GUIDE and own is None and row.kind != Target.Kind.AXIS
        return {"own_judge": own, "may_judge": may_judge and services.others_of(row)}
