"""The encoding pages: datasets, encoders with their fits, targets."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import FileResponse, Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import URLPattern, path
from unfold.decorators import display

from encoder import forms, services
from encoder.models import Dataset, Encoder, EncoderVersion, FeatureSpace, Region, Target
from encoder.pictures import strip_plot
from encoder.written_once import Deed, WrittenOnceAdmin, actor


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
        names = ["name", "root", "kind", "description"]
        return [(None, {"fields": names if obj else [*names, "masks"]})]

    def create(self, data: dict[str, Any], request: HttpRequest) -> Dataset:
        dataset = services.create_dataset(
            name=data["name"],
            root=data["root"],
            kind=data["kind"],
            description=data["description"],
            by=actor(request),
        )
        for name, mask in data["regions"]:
            services.add_region(dataset=dataset, name=name, mask_path=mask, by=actor(request))
        return dataset


@admin.register(Region)
class RegionAdmin(WrittenOnceAdmin):
    form = forms.RegionForm
    list_display = ["name", "dataset", "mask_path"]
    list_filter = ["dataset"]
    deletable = True

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        return [(None, {"fields": ["dataset" if obj else "of_dataset", "name", "mask_path"]})]

    def create(self, data: dict[str, Any], request: HttpRequest) -> Region:
        return services.add_region(
            dataset=data["of_dataset"], name=data["name"], mask_path=data["mask_path"], by=actor(request)
        )


@admin.register(FeatureSpace)
class FeatureSpaceAdmin(WrittenOnceAdmin):
    form = forms.FeatureSpaceForm
    list_display = ["name", "kind", "dimension", "digest"]
    deletable = True

    def create(self, data: dict[str, Any], request: HttpRequest) -> FeatureSpace:
        return services.create_feature_space(by=actor(request), **data)


@admin.register(Encoder)
class EncoderAdmin(WrittenOnceAdmin):
    form = forms.EncoderForm
    list_display = ["name", "dataset", "feature_space", "model", "fitted"]
    list_filter = ["dataset", "model"]
    search_fields = ["name"]
    change_form_outer_before_template = "admin/encoder/encoder.html"
    deletable = True

    @display(description="fitted")
    def fitted(self, row: Encoder) -> str:
        return f"{row.versions.count()} of {len(row.subjects) * row.regions.count()}"

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        names = ["name", "dataset" if obj else "of_dataset", "feature_space", "model", "regions"]
        return [(None, {"fields": names if obj else [*names, "components", "folds", "gap"]})]

    def create(self, data: dict[str, Any], request: HttpRequest) -> Encoder:
        return services.create_encoder(
            name=data["name"],
            dataset=data["of_dataset"],
            feature_space=data["feature_space"],
            model=data["model"],
            regions=data["regions"],
            config=data["config"],
            by=actor(request),
        )

    def deeds(self) -> dict[str, Deed]:
        return {"fit": self.fit}

    def fit(self, request: HttpRequest, row: Encoder) -> None:
        jobs = services.start_fit(encoder=row, by=actor(request))
        messages.success(request, f"{len(jobs)} subjects are being fitted.")

    def page(self, request: HttpRequest, row: Encoder) -> dict[str, Any]:
        versions = list(row.versions.select_related("region"))
        return {
            "plot": performance(versions),
            "versions": versions,
            "regions": [region.name for region in row.regions.all()],
            "planned": len(row.subjects) * row.regions.count(),
            "targets": row.targets.select_related("job"),
            "jobs": services.fit_jobs(encoder=row),
        }


def performance(versions: list[EncoderVersion], marked: str | None = None) -> str:
    """Held-out correlation per region, a dot per subject."""
    groups: dict[str, list[tuple[str, float]]] = {}
    for version in sorted(versions, key=lambda found: (found.region.pk, found.subject)):
        if version.heldout_r is not None:
            groups.setdefault(version.region.name, []).append((f"sub-{version.subject}", version.heldout_r))
    return strip_plot(groups, title="held-out r", marked=marked) if groups else ""


@admin.register(EncoderVersion)
class EncoderVersionAdmin(WrittenOnceAdmin):
    list_display = ["region_name", "subject", "encoder", "model", "heldout", "short_digest", "created_at"]
    list_filter = ["encoder", "region__name", "subject"]
    search_fields = ["digest"]
    list_select_related = ["region", "encoder"]
    fields = ["encoder", "subject", "region", "model", "path", "created_at"]
    change_form_outer_before_template = "admin/encoder/version.html"

    @display(description="region", ordering="region__name")
    def region_name(self, row: EncoderVersion) -> str:
        return row.region.name

    @display(description="held-out r")
    def heldout(self, row: EncoderVersion) -> str:
        return "" if row.heldout_r is None else f"{row.heldout_r:.3f}"

    @display(description="digest")
    def short_digest(self, row: EncoderVersion) -> str:
        return row.digest[:12]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def page(self, request: HttpRequest, row: EncoderVersion) -> dict[str, Any]:
        peers = list(row.encoder.versions.select_related("region"))
        artifact = read_artifact(Path(row.path))
        return {
            "plot": performance(peers, marked=f"sub-{row.subject}"),
            "metrics": simple_metrics(row.metrics),
            "artifact": artifact,
            "provenance": provenance_rows(artifact.get("provenance", {})),
        }

    def get_urls(self) -> list[URLPattern]:
        download = self.admin_site.admin_view(self.download)
        return [
            path("<int:pk>/artifact.zip", download, name="encoder_encoderversion_download"),
            *super().get_urls(),
        ]

    def download(self, request: HttpRequest, pk: int) -> HttpResponse | FileResponse:
        """The artifact's folder as a zip file named by its digest."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        row = get_object_or_404(EncoderVersion, pk=pk)
        folder = Path(row.path)
        if not folder.is_dir():
            raise Http404("the artifact's folder is not on this server")
        stream = io.BytesIO()
        with zipfile.ZipFile(stream, "w", zipfile.ZIP_STORED) as archive:
            for file in sorted(found for found in folder.iterdir() if found.is_file()):
                archive.write(file, f"{row.digest}/{file.name}")
        stream.seek(0)
        name = f"{row.region.name}-sub-{row.subject}-{row.digest[:12]}.zip"
        return FileResponse(stream, as_attachment=True, filename=name, content_type="application/zip")


def read_artifact(folder: Path) -> dict[str, Any]:
    """The artifact's own description, or nothing where its folder is not on this server."""
    described = folder / "artifact.json"
    return dict(json.loads(described.read_text(encoding="utf-8"))) if described.is_file() else {}


def provenance_rows(provenance: dict[str, Any]) -> list[tuple[str, str]]:
    """(what, digest or value): files of BOLD and events by their digests, then single values."""
    files = [
        (name, digest)
        for kind in ("bold", "events")
        for name, digest in sorted(provenance.get(kind, {}).items())
    ]
    words = [
        (name, value)
        for name, value in sorted(provenance.items())
        if isinstance(value, str) and name != "features"
    ]
    return files + words


def simple_metrics(metrics: dict[str, Any]) -> list[tuple[str, Any]]:
    """The metrics that are one number or word each, also inside a group such as ``heldout_r``."""
    plain: list[tuple[str, Any]] = []
    for name, value in metrics.items():
        if isinstance(value, dict):
            plain += [(f"{name} {inner}", number) for inner, number in value.items()]
        else:
            plain.append((name, value))
    shown = [
        (name.replace("_", " ").replace("heldout", "held-out"), value)
        for name, value in plain
        if isinstance(value, int | float | str)
    ]
    return [(name, f"{value:.4g}" if isinstance(value, float) else value) for name, value in shown]


@admin.register(Target)
class TargetAdmin(WrittenOnceAdmin):
    form = forms.TargetForm
    list_display = ["name", "role", "kind", "encoder", "subject_names", "state"]
    list_filter = ["role", "encoder"]
    list_select_related = ["encoder", "job"]
    search_fields = ["name", "digest"]
    change_form_outer_before_template = "admin/encoder/target.html"

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        added = ["name", "encoder", "role", "weights", "subjects", "reference_kind", "scenes", "folder"]
        return [(None, {"fields": ["name", "encoder", "role", "kind"] if obj else added})]

    @display(description="subjects")
    def subject_names(self, row: Target) -> str:
        return ", ".join(row.subjects)

    @display(description="state", label={"made": "success", "waiting": "warning"})
    def state(self, row: Target) -> str:
        return "made" if row.digest else "waiting"

    def create(self, data: dict[str, Any], request: HttpRequest) -> Target:
        return services.make_target(
            name=data["name"],
            encoder=data["encoder"],
            role=data["role"],
            subjects=data["chosen"],
            coefficients=data["coefficients"],
            reference=data["reference"],
            by=actor(request),
        )

    def deeds(self) -> dict[str, Deed]:
        return {"remake": self.remake}

    def remake(self, request: HttpRequest, row: Target) -> None:
        services.ask_for_target(target=row, by=actor(request))
        messages.success(request, f"{row} is being made.")
