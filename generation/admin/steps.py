"""The pages of pictures over their steps: a slider, the curve of the score, the map laid over."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.urls import reverse
from unfold.decorators import display

from almond.attribution.methods import METHODS
from generation import services
from generation.admin.pictures import label_of, steps_plot
from generation.step_views import StepView
from lab.append_only import Action, AppendOnlyAdmin, actor


@admin.register(StepView)
class StepViewAdmin(AppendOnlyAdmin):
    list_display = ["stimulus", "target", "method", "state", "created_at"]
    list_select_related = ["job", "stimulus"]
    change_form_outer_before_template = "admin/generation/step_view.html"

    class Media:
        js = ["js/steps.js"]

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        return []

    @display(description="state")
    def state(self, row: StepView) -> str:
        return "ready" if row.is_ready else (row.job.state if row.job else "")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def row_actions(self) -> dict[str, Action]:
        return {"resume": self.resume}

    def resume(self, request: HttpRequest, row: StepView) -> None:
        services.start_step_view(
            stimulus=row.stimulus, target=row.target, method=row.method, by=actor(request)
        )

    def page(self, request: HttpRequest, row: StepView) -> dict[str, Any]:
        shown = {
            "title": str(row),
            "method_label": dict(METHODS.choices()).get(row.method, row.method),
            "target_label": label_of(row.target),
        }
        if not row.is_ready:
            return shown
        steps = [
            {
                **step,
                "picture": self.file_address(row, f"picture-{step['step']:03d}.png"),
                "overlay": self.file_address(row, f"overlay-{step['step']:03d}.png"),
                "readings": [(label_of(name), value) for name, value in step["scores"].items()],
            }
            for step in row.steps
        ]
        return {
            **shown,
            "steps": steps,
            "last": steps[-1],
            "curve": steps_plot(row.steps, row.target),
            "files": [(name, self.file_address(row, name)) for name in ("steps.json", "steps.zip")],
        }

    def file_address(self, row: StepView, name: str) -> str:
        return reverse("step_view_file", args=[row.pk, name])
