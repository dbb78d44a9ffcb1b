"""The pages of imported photographs: scores against norms."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.contrib import admin, messages
from django.http import HttpRequest
from unfold.decorators import display

from almond.errors import InputError
from encoder.models import Target
from generation import services
from generation.admin import sheets
from generation.admin.forms import ImageSetForm, ScoringForm
from generation.admin.pictures import scatter
from generation.models import ImageSet
from lab.append_only import Action, AppendOnlyAdmin, actor

SHOWN = 240
"""Images in the gallery of a set."""


def one_of(wanted: str | None, known: Sequence[str]) -> str:
    """Return the wanted name where it is known, else the first that is, else an empty one."""
    return wanted if wanted is not None and wanted in known else next(iter(known), "")


@admin.register(ImageSet)
class ImageSetAdmin(AppendOnlyAdmin):
    form = ImageSetForm
    list_display = ["name", "image_count", "norm_names", "state", "created_at"]
    list_select_related = ["job"]
    search_fields = ["name"]
    change_form_outer_before_template = "admin/generation/image_set.html"

    @display(description="images")
    def image_count(self, row: ImageSet) -> int:
        return row.stimuli.count()

    @display(description="norms")
    def norm_names(self, row: ImageSet) -> str:
        return ", ".join(row.norms)

    @display(description="state")
    def state(self, row: ImageSet) -> str:
        return "imported" if row.imported_at else (row.job.state if row.job else "")

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        added = ["name", ("folder", "norms_file"), ("archive", "norms_upload"), "theme_column"]
        return [(None, {"fields": ["name", "folder", "norms_file", "theme_column"] if obj else added})]

    def create(self, data: dict[str, Any], request: HttpRequest) -> ImageSet:
        folder, norms = data["folder"], data["norms_file"]
        if data["archive"]:
            folder = services.keep_upload(data=data["archive"].read(), suffix="zip")
        if data["norms_upload"]:
            norms = services.keep_upload(data=data["norms_upload"].read(), suffix="csv")
        return services.import_image_set(
            name=data["name"],
            folder=folder,
            norms=norms,
            theme_column=data["theme_column"],
            by=actor(request),
        )

    def row_actions(self) -> dict[str, Action]:
        return {"score": self.score, "retry": self.retry}

    def score(self, request: HttpRequest, row: ImageSet) -> None:
        form = ScoringForm(request.POST)
        if not form.is_valid():
            raise InputError("targets", "none were chosen", "one or more targets")
        services.start_scoring(image_set=row, targets=form.cleaned_data["targets"], by=actor(request))
        messages.success(request, "The images are being scored.")

    def retry(self, request: HttpRequest, row: ImageSet) -> None:
        services.retry_import(image_set=row, by=actor(request))
        messages.success(request, "The images are being imported.")

    def page(self, request: HttpRequest, row: ImageSet) -> dict[str, Any]:
        images = list(row.stimuli.order_by("name"))
        names = sorted({name for image in images for name in image.scores})
        norm = one_of(request.GET.get("norm"), row.norms)
        score = one_of(request.GET.get("score"), names)
        points = sheets.norm_points(images, norm, score) if norm and score else []
        return {
            "images": images[:SHOWN],
            "count": len(images),
            "themes": len({image.theme for image in images}),
            "score_names": names,
            "chosen_norm": norm,
            "chosen_score": score,
            "scatter": scatter(points, x_title=norm, y_title=f"score {score}") if points else "",
            "targets": Target.objects.exclude(digest="").select_related("encoder"),
            "scoring_job": services.scoring_job(image_set=row),
        }
