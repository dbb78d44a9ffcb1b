"""The pages of batches: contact sheets and scores by direction."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils.http import content_disposition_header
from unfold.decorators import display

from generation import services
from generation.admin import sheets
from generation.admin.downloads import (
    manifest_json,
    manifest_of_sheets,
    scene_sheets,
    sheet_png,
    zipped_sheets,
)
from generation.admin.forms import BatchForm, GeneratedFolderForm
from generation.admin.pictures import score_strips
from generation.models import Batch
from lab.append_only import Action, AppendOnlyAdmin, actor

SCENES = 12
"""Base scenes on one page of the contact sheet."""


@admin.register(Batch)
class BatchAdmin(AppendOnlyAdmin):
    form = BatchForm
    fields = ["name", "recipes", "judges"]
    list_display = ["name", "made", "state", "created_at"]
    list_select_related = ["job"]
    search_fields = ["name"]
    change_form_outer_before_template = "admin/generation/batch.html"
    list_before_template = "admin/generation/batch_list.html"

    @display(description="images")
    def made(self, row: Batch) -> str:
        return f"{row.stimuli.count()} of {row.planned}"

    @display(description="state")
    def state(self, row: Batch) -> str:
        return row.job.state if row.job else ""

    def create(self, data: dict[str, Any], request: HttpRequest) -> Batch:
        return services.start_batch(
            name=data["name"], recipes=data["recipes"], judges=data["judges"] or None, by=actor(request)
        )

    def row_actions(self) -> dict[str, Action]:
        return {"resume": self.resume}

    def resume(self, request: HttpRequest, row: Batch) -> None:
        services.resume_batch(batch=row, by=actor(request))
        done = "taken in" if row.folder else "made"
        messages.success(request, f"The missing images are being {done}.")

    def get_urls(self) -> list[URLPattern]:
        wrap = self.admin_site.admin_view
        return [
            path("take-in/", wrap(self.take_in), name="generation_batch_take_in"),
            path("<int:pk>/sheets.zip", wrap(self.all_sheets), name="generation_batch_sheets"),
            path(
                "<int:pk>/sheets/<str:scene>.<str:kind>", wrap(self.one_sheet), name="generation_batch_sheet"
            ),
            *super().get_urls(),
        ]

    def seen(self, request: HttpRequest, pk: int) -> Batch:
        """Return a batch for somebody who may see it."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        return get_object_or_404(Batch, pk=pk)

    def all_sheets(self, request: HttpRequest, pk: int) -> StreamingHttpResponse:
        """Send every sheet and image of a batch with their manifest, as a zip file."""
        row = self.seen(request, pk)
        response = StreamingHttpResponse(zipped_sheets(row), content_type="application/zip")
        response["Content-Disposition"] = content_disposition_header(True, f"{row.name}-sheets.zip") or ""
        return response

    def one_sheet(self, request: HttpRequest, pk: int, scene: str, kind: str) -> HttpResponse:
        """Send the sheet of one scene as a PNG, or what it shows and where that comes from as JSON."""
        row = self.seen(request, pk)
        found = scene_sheets(row, [scene])
        if not found or kind not in ("png", "json"):
            raise Http404("no such sheet")
        if kind == "png":
            response = HttpResponse(sheet_png(row, found[0]), content_type="image/png")
        else:
            text = manifest_json(manifest_of_sheets(row, found))
            response = HttpResponse(text, content_type="application/json")
        response["Content-Disposition"] = content_disposition_header(True, f"{row.name}-{scene}.{kind}") or ""
        return response

    def take_in(self, request: HttpRequest) -> HttpResponse:
        """Ask for a folder of images that were made without the site, and take it in in a job."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        form = GeneratedFolderForm(request.POST or None)
        if request.method == "POST" and form.is_valid():
            batch = services.import_batch(**form.cleaned_data, by=actor(request))
            messages.success(request, f"{batch.planned} images are being verified and taken in.")
            return redirect(self.address(batch))
        context = {
            **self.admin_site.each_context(request),
            "title": "Take in images that were made elsewhere",
            "form": form,
        }
        return TemplateResponse(request, "admin/generation/batch_take_in.html", context)

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        if obj is not None and obj.folder:
            return ["name", "folder", "judges"]
        return self.fields

    def page(self, request: HttpRequest, row: Batch) -> dict[str, Any]:
        images = list(row.stimuli.in_sheet_order().defer("trace", "recipe_json", "lowlevel", "measures"))
        scenes = Paginator(sorted({image.base_scene for image in images}), SCENES).get_page(
            request.GET.get("scenes")
        )
        judged = row.judges.exists()
        rows = sheets.strips(images, judged=judged)
        reading = "held-out judge" if judged else "guide"
        return {
            "made": len(images),
            "sheet": scene_sheets(row, scenes.object_list),
            "scene_page": scenes,
            "strips": score_strips(rows, title=f"score by the {reading} (SD)") if rows else "",
            "reading": reading,
            "matched_sets": row.matched_sets.all(),
        }
