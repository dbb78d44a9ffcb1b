"""The pages of encoders: settings, performance, comparison with another encoder, downloads."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import FileResponse, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import URLPattern, path
from django.utils.safestring import mark_safe
from unfold.decorators import display

from almond.errors import InputError
from encoder import choices, services
from encoder.admin import comparison, downloads, performance
from encoder.admin.downloads import row_number
from encoder.admin.forms.encoders import FIELDSETS, PRESET_WORDS, EncoderForm
from encoder.admin.remarks import remarks_of_versions
from encoder.models import Encoder
from encoder.plots.pictures import paired_plot, strip_plot
from lab.append_only import Action, AppendOnlyAdmin, actor


@admin.register(Encoder)
class EncoderAdmin(AppendOnlyAdmin):
    form = EncoderForm
    list_display = ["name", "dataset", "feature_space", "model", "fitted"]
    list_filter = ["dataset", "model"]
    search_fields = ["name"]
    change_form_outer_before_template = "admin/encoder/encoder.html"
    deletable = True

    @display(description="fitted")  # type: ignore[untyped-decorator]
    def fitted(self, row: Encoder) -> str:
        fitted = row.versions.order_by().values("region", "subject").distinct().count()
        return f"{fitted} of {planned(row)}"

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
        if data["model"] == choices.IMPORTED:
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

    def row_actions(self) -> dict[str, Action]:
        return {"fit": self.fit, "draw": self.draw}

    def fit(self, request: HttpRequest, row: Encoder) -> None:
        if row.is_imported:
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
            "plot": performance.performance(versions),
            "has_controls": any(performance.null_of(version) is not None for version in versions),
            "has_ceilings": any(performance.ceiling_of(version) is not None for version in versions),
            "warnings": sorted({v.metrics["warning"] for v in versions if v.metrics.get("warning")})[:1],
            "versions": versions,
            "remarks": remarks_of_versions(versions),
            "matrix": performance.matrix(versions),
            "maps": performance.mapped(versions),
            "planned": planned(row),
            "config": [
                (name, comparison.shown(value)) for name, value in comparison.flat(row.config).items()
            ],
            "targets": row.targets.select_related("job"),
            "reports": row.reports.select_related("job"),
            "others": others,
            "jobs": services.fit_jobs(encoder=row),
            "drawing": services.drawing_jobs(encoder=row),
            "fits": not row.is_imported,
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
        return get_object_or_404(Encoder, pk=row_number(pk))

    def betas(self, request: HttpRequest, pk: int) -> HttpResponse | FileResponse:
        """Send the mean weights of every subject and region, in the files of the published analysis."""
        row = self._shown(request, pk)
        return self._offered(
            request, row, lambda: downloads.betas_zip(services.newest_versions(row), f"{slug(row)}-betas.zip")
        )

    def maps(self, request: HttpRequest, pk: int) -> HttpResponse | FileResponse:
        """Send the maps of held-out r of every subject and region as NIfTI."""
        row = self._shown(request, pk)
        return self._offered(
            request, row, lambda: downloads.maps_zip(services.newest_versions(row), f"{slug(row)}-maps.zip")
        )

    def _offered(self, request: HttpRequest, row: Encoder, make: Any) -> HttpResponse | FileResponse:
        try:
            response: FileResponse = make()
        except InputError as error:
            messages.error(request, str(error))
            return redirect(self.address(row))
        return response

    def compare(self, request: HttpRequest) -> HttpResponse:
        """Compare two encoders: performance per region and subject, and the settings that differ."""
        first, second = (self._shown(request, request.GET.get(key)) for key in ("a", "b"))
        problem, regions = "", []
        try:
            regions = comparison.compare_encoders(first, second)
        except InputError as error:
            problem = str(error)
        settings = comparison.differing(comparison.settings_rows(first), comparison.settings_rows(second))
        sides = (first.name, second.name)
        context = {
            **self.admin_site.each_context(request),
            "title": f"{first} and {second}",
            "first": first,
            "second": second,
            "problem": problem,
            "regions": regions,
            "settings": settings,
            "plot": paired_plot(
                {region.region: region.rows for region in regions}, title="held-out r", sides=sides
            )
            if regions
            else "",
            "differences": strip_plot(
                {region.region: [(who, b - a) for who, a, b in region.rows] for region in regions},
                title="difference",
            )
            if regions
            else "",
            "scatters": performance.scatters(first, second),
        }
        return render(request, "admin/encoder/compare.html", context)


def planned(row: Encoder) -> int:
    """Count the artifacts that a complete fit gives: one per subject and region."""
    return len(row.subjects) * row.regions.count()


def slug(row: Encoder) -> str:
    """Turn an encoder's name into a part of a file name."""
    return "-".join("".join(mark if mark.isalnum() else " " for mark in row.name).split()) or "encoder"
