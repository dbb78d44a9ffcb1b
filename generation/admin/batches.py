"""The pages of batches: contact sheets and scores by direction."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from unfold.decorators import display

from generation import services
from generation.admin import sheets
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
        view = self.admin_site.admin_view(self.take_in)
        return [path("take-in/", view, name="generation_batch_take_in"), *super().get_urls()]

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
        images = list(row.stimuli.in_sheet_order().defer("trace", "recipe_json"))
        scenes = Paginator(sorted({image.base_scene for image in images}), SCENES).get_page(
            request.GET.get("scenes")
        )
        shown = [image for image in images if image.base_scene in scenes.object_list]
        judged = row.judges.exists()
        rows = sheets.strips(images, judged=judged)
        reading = "held-out judge" if judged else "guide"
        return {
            "made": len(images),
            "sheet": sheets.contact_sheet(shown, judged=judged),
            "scene_page": scenes,
            "strips": score_strips(rows, title=f"score by the {reading} (SD)") if rows else "",
            "reading": reading,
            "matched_sets": row.matched_sets.all(),
        }
