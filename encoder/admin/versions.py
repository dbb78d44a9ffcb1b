"""The pages of fitted regions: performance, maps, provenance and downloads of one artifact."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import FileResponse, Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import URLPattern, path
from unfold.decorators import display

from encoder import services
from encoder.admin import comparison, downloads, performance, provenance
from encoder.admin.downloads import row_number
from encoder.admin.remarks import remarks_of_versions
from encoder.models import EncoderVersion
from encoder.plots.pictures import scatter
from encoder.services.fits import read_description
from lab.append_only import AppendOnlyAdmin


@admin.register(EncoderVersion)
class EncoderVersionAdmin(AppendOnlyAdmin):
    list_display = ["region_name", "subject", "encoder", "model", "heldout", "short_digest", "created_at"]
    list_filter = ["encoder", "region__name", "subject"]
    search_fields = ["digest"]
    list_select_related = ["region", "encoder"]
    fields = ["encoder", "subject", "region", "model", "path", "created_at"]
    change_form_outer_before_template = "admin/encoder/version.html"

    @display(description="region", ordering="region__name")  # type: ignore[untyped-decorator]
    def region_name(self, row: EncoderVersion) -> str:
        return row.region.name

    @display(description="held-out r")  # type: ignore[untyped-decorator]
    def heldout(self, row: EncoderVersion) -> str:
        return "" if row.heldout_r is None else f"{row.heldout_r:.3f}"

    @display(description="digest")  # type: ignore[untyped-decorator]
    def short_digest(self, row: EncoderVersion) -> str:
        return row.digest[:12]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def page(self, request: HttpRequest, row: EncoderVersion) -> dict[str, Any]:
        peers = services.newest_versions(row.encoder)
        artifact = read_description(Path(row.path))
        same = EncoderVersion.objects.filter(region__name=row.region.name).exclude(pk=row.pk)
        return {
            "plot": performance.performance(peers, marked=f"sub-{row.subject}"),
            "metrics": provenance.simple_metrics(row.metrics),
            "null": performance.null_of(row),
            "ceiling": performance.ceiling_of(row),
            "warning": row.metrics.get("warning", ""),
            "remarks": remarks_of_versions([row]),
            "map": performance.map_of(row),
            "drawing": services.drawing_jobs(encoder=row.encoder).get(row.subject),
            "artifact": artifact,
            "provenance": provenance.rows(artifact, row.subject),
            "settings": [
                (name, comparison.shown(value))
                for name, value in comparison.flat(artifact.get("config", {})).items()
            ],
            "peers": same.select_related("encoder", "region").order_by("encoder__name", "subject", "-pk")[
                :200
            ],
        }

    def get_urls(self) -> list[URLPattern]:
        wrap = self.admin_site.admin_view
        return [
            path("compare/", wrap(self.compare), name="encoder_encoderversion_compare"),
            path("<int:pk>/artifact.zip", wrap(self.download), name="encoder_encoderversion_download"),
            path("<int:pk>/maps/<str:name>", wrap(self.map), name="encoder_encoderversion_map"),
            *super().get_urls(),
        ]

    def _shown(self, request: HttpRequest, pk: Any) -> EncoderVersion:
        if not self.has_view_permission(request):
            raise PermissionDenied
        rows = EncoderVersion.objects.select_related("encoder", "region")
        return get_object_or_404(rows, pk=row_number(pk))

    def download(self, request: HttpRequest, pk: int) -> FileResponse:
        """Send the artifact's folder as a zip file named by its digest."""
        return downloads.artifact_zip(self._shown(request, pk))

    def map(self, request: HttpRequest, pk: int, name: str) -> FileResponse:
        """Send a file of the maps, by a name from a fixed list."""
        row = self._shown(request, pk)
        if name not in downloads.MAP_TYPES:
            raise Http404
        attach = "" if name.endswith(".png") else f"sub-{row.subject}_{row.region.name}_{name}"
        return downloads.file_of(row.pictures, name, downloads.MAP_TYPES[name], attach=attach)

    def compare(self, request: HttpRequest) -> HttpResponse:
        """Compare two fitted regions: numbers, settings, provenance, and r per voxel."""
        first, second = (self._shown(request, request.GET.get(key)) for key in ("a", "b"))
        pairs = comparison.voxel_pairs(first, second)
        names = performance.label(first), performance.label(second)
        descriptions = [read_description(Path(version.path)) for version in (first, second)]
        sources = [
            dict(provenance.rows(description, version.subject))
            for description, version in zip(descriptions, (first, second), strict=True)
        ]
        configs = [
            {"model": version.model, **comparison.flat(description.get("config", {}))}
            for description, version in zip(descriptions, (first, second), strict=True)
        ]
        numbers = [dict(provenance.simple_metrics(version.metrics)) for version in (first, second)]
        context = {
            **self.admin_site.each_context(request),
            "title": f"{first} and {second}",
            "first": first,
            "second": second,
            "numbers": [
                (name, numbers[0].get(name, ""), numbers[1].get(name, ""))
                for name in {**numbers[0], **numbers[1]}
            ],
            "settings": comparison.differing(*configs),
            "sources": comparison.differing(*sources),
            "scatter": scatter(pairs, x_title=names[0], y_title=names[1]) if pairs else "",
            "pairs": len(pairs),
            "r": comparison.correlation(pairs),
        }
        return render(request, "admin/encoder/compare_versions.html", context)
