"""Encoders and what they fitted: pages, comparisons, downloads."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import FileResponse, Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import URLPattern, path
from django.utils.safestring import mark_safe
from unfold.decorators import display

from almond.errors import InputError
from encoder import services
from encoder.admin import comparing, downloads, forms, provenance, showing
from encoder.admin.forms.encoders import FIELDSETS, PRESET_WORDS
from encoder.models import Encoder, EncoderVersion
from encoder.plots.pictures import paired_plot, scatter, strip_plot
from lab.written_once import Deed, WrittenOnceAdmin, actor


@admin.register(Encoder)
class EncoderAdmin(WrittenOnceAdmin):
    form = forms.EncoderForm
    list_display = ["name", "dataset", "feature_space", "model", "fitted"]
    list_filter = ["dataset", "model"]
    search_fields = ["name"]
    change_form_outer_before_template = "admin/encoder/encoder.html"
    deletable = True

    @display(description="fitted")  # type: ignore[untyped-decorator]
    def fitted(self, row: Encoder) -> str:
        found = row.versions.order_by().values("region", "subject").distinct().count()
        return f"{found} of {planned(row)}"

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        if obj:
            spaces = ["feature_space", "more_spaces"] if obj.more_spaces.exists() else ["feature_space"]
            return [(None, {"fields": ["name", "dataset", *spaces, "model", "regions"]})]
        words = {"Preset": {"description": mark_safe(PRESET_WORDS)}}
        return [
            (
                name,
                {"fields": list(rows), "classes": ["al-fitted"] if name else [], **words.get(name or "", {})},
            )
            for name, rows in FIELDSETS
        ]

    def create(self, data: dict[str, Any], request: HttpRequest) -> Encoder:
        if data["model"] == Encoder.Model.IMPORTED:
            return services.import_weights(
                name=data["name"],
                folder=data["weights_folder"],
                feature_space=data["feature_space"],
                suffix=data["suffix"],
                names=data["named"],
                by=actor(request),
            )
        return services.create_encoder(
            name=data["name"],
            dataset=data["of_dataset"],
            feature_space=data["feature_space"],
            more_spaces=data["more_spaces"],
            model=data["model"],
            regions=data["regions"],
            config=data["config"],
            by=actor(request),
        )

    def deeds(self) -> dict[str, Deed]:
        return {"fit": self.fit, "draw": self.draw}

    def fit(self, request: HttpRequest, row: Encoder) -> None:
        if row.model == Encoder.Model.IMPORTED:
            services.ask_for_import(encoder=row, by=actor(request))
            messages.success(request, "The weights are being read.")
            return
        services.start_fit(encoder=row, by=actor(request))
        messages.success(request, f"{len(row.subjects)} subjects are being fitted.")

    def draw(self, request: HttpRequest, row: Encoder) -> None:
        for subject in services.fitted_subjects(row):
            services.start_drawing(encoder=row, subject=subject, by=actor(request))
        messages.success(request, "The maps are being drawn.")

    def page(self, request: HttpRequest, row: Encoder) -> dict[str, Any]:
        versions = services.newest_versions(row)
        others = Encoder.objects.exclude(pk=row.pk).filter(versions__isnull=False).distinct()
        return {
            "plot": showing.performance(versions),
            "has_controls": any(showing.null_of(one) is not None for one in versions),
            "has_ceilings": any(showing.ceiling_of(one) is not None for one in versions),
            "warnings": sorted({one.metrics["warning"] for one in versions if one.metrics.get("warning")})[
                :1
            ],
            "versions": versions,
            "matrix": showing.matrix(versions),
            "maps": showing.mapped(versions),
            "planned": planned(row),
            "config": [(name, comparing.shown(value)) for name, value in comparing.flat(row.config).items()],
            "targets": row.targets.select_related("job"),
            "reports": row.reports.select_related("job"),
            "others": others,
            "jobs": services.fit_jobs(encoder=row),
            "drawing": services.drawing_jobs(encoder=row),
            "fits": row.model != Encoder.Model.IMPORTED,
        }

    def get_urls(self) -> list[URLPattern]:
        wrap = self.admin_site.admin_view
        return [
            path("compare/", wrap(self.compare), name="encoder_encoder_compare"),
            path("<int:pk>/betas.zip", wrap(self.betas), name="encoder_encoder_betas"),
            path("<int:pk>/maps.zip", wrap(self.maps), name="encoder_encoder_maps"),
            *super().get_urls(),
        ]

    def _shown(self, request: HttpRequest, pk: Any) -> Encoder:
        if not self.has_view_permission(request):
            raise PermissionDenied
        return get_object_or_404(Encoder, pk=whole(pk))

    def betas(self, request: HttpRequest, pk: int) -> HttpResponse | FileResponse:
        """Mean weights of every subject and region in the files of the published analysis."""
        row = self._shown(request, pk)
        return self._offered(
            request, row, lambda: downloads.betas_zip(services.newest_versions(row), f"{slug(row)}-betas.zip")
        )

    def maps(self, request: HttpRequest, pk: int) -> HttpResponse | FileResponse:
        """The maps of r of every subject and region as NIfTI."""
        row = self._shown(request, pk)
        return self._offered(
            request, row, lambda: downloads.maps_zip(services.newest_versions(row), f"{slug(row)}-maps.zip")
        )

    def _offered(self, request: HttpRequest, row: Encoder, make: Any) -> HttpResponse | FileResponse:
        try:
            found: FileResponse = make()
        except InputError as error:
            messages.error(request, str(error))
            return redirect(self.address(row))
        return found

    def compare(self, request: HttpRequest) -> HttpResponse:
        """Two encoders side by side: performance per region and subject, and the settings that differ."""
        first, second = (self._shown(request, request.GET.get(key)) for key in ("a", "b"))
        problem, found = "", []
        try:
            found = comparing.compare_encoders(first, second)
        except InputError as error:
            problem = str(error)
        settings = comparing.differing(comparing.settings_rows(first), comparing.settings_rows(second))
        sides = (first.name, second.name)
        context = {
            **self.admin_site.each_context(request),
            "title": f"{first} and {second}",
            "first": first,
            "second": second,
            "problem": problem,
            "regions": found,
            "settings": settings,
            "plot": paired_plot({one.region: one.rows for one in found}, title="held-out r", sides=sides)
            if found
            else "",
            "differences": strip_plot(
                {one.region: [(who, b - a) for who, a, b in one.rows] for one in found}, title="difference"
            )
            if found
            else "",
            "scatters": showing.scatters(first, second),
        }
        return render(request, "admin/encoder/compare.html", context)


def planned(row: Encoder) -> int:
    return len(row.subjects) * row.regions.count()


def slug(row: Encoder) -> str:
    return "-".join("".join(mark if mark.isalnum() else " " for mark in row.name).split()) or "encoder"


def whole(text: Any) -> int:
    """A row's number in an address; 404 for anything else."""
    if not str(text).isdigit():
        raise Http404
    return int(text)


@admin.register(EncoderVersion)
class EncoderVersionAdmin(WrittenOnceAdmin):
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
        artifact = services.described(Path(row.path))
        same = EncoderVersion.objects.filter(region__name=row.region.name).exclude(pk=row.pk)
        return {
            "plot": showing.performance(peers, marked=f"sub-{row.subject}"),
            "metrics": provenance.simple_metrics(row.metrics),
            "null": showing.null_of(row),
            "ceiling": showing.ceiling_of(row),
            "warning": row.metrics.get("warning", ""),
            "map": showing.map_of(row),
            "drawing": services.drawing_jobs(encoder=row.encoder).get(row.subject),
            "artifact": artifact,
            "provenance": provenance.rows(artifact, row.subject),
            "settings": [
                (name, comparing.shown(value))
                for name, value in comparing.flat(artifact.get("config", {})).items()
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
        return get_object_or_404(rows, pk=whole(pk))

    def download(self, request: HttpRequest, pk: int) -> FileResponse:
        """The artifact's folder as a zip file named by its digest."""
        return downloads.artifact_zip(self._shown(request, pk))

    def map(self, request: HttpRequest, pk: int, name: str) -> FileResponse:
        """A file of the version's maps, by a name from a fixed list."""
        row = self._shown(request, pk)
        if name not in downloads.MAP_TYPES:
            raise Http404
        attach = "" if name.endswith(".png") else f"sub-{row.subject}_{row.region.name}_{name}"
        return downloads.file_of(row.pictures, name, downloads.MAP_TYPES[name], attach=attach)

    def compare(self, request: HttpRequest) -> HttpResponse:
        """Two fitted regions side by side: numbers, settings, provenance, and r per voxel."""
        first, second = (self._shown(request, request.GET.get(key)) for key in ("a", "b"))
        pairs = comparing.voxel_pairs(first, second)
        names = showing.label(first), showing.label(second)
        described = [services.described(Path(one.path)) for one in (first, second)]
        sources = [
            dict(provenance.rows(found, one.subject))
            for found, one in zip(described, (first, second), strict=True)
        ]
        configs = [
            {"model": one.model, **comparing.flat(found.get("config", {}))}
            for found, one in zip(described, (first, second), strict=True)
        ]
        numbers = [dict(provenance.simple_metrics(one.metrics)) for one in (first, second)]
        context = {
            **self.admin_site.each_context(request),
            "title": f"{first} and {second}",
            "first": first,
            "second": second,
            "numbers": [
                (name, numbers[0].get(name, ""), numbers[1].get(name, ""))
                for name in {**numbers[0], **numbers[1]}
            ],
            "settings": comparing.differing(*configs),
            "sources": comparing.differing(*sources),
            "scatter": scatter(pairs, x_title=names[0], y_title=names[1]) if pairs else "",
            "pairs": len(pairs),
            "r": comparing.correlation(pairs),
        }
        return render(request, "admin/encoder/compare_versions.html", context)
