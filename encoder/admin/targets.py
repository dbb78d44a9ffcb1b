"""The pages of targets."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.http import HttpRequest
from unfold.decorators import display

from encoder import services
from encoder.admin.forms.targets import TargetForm
from encoder.models import Target
from lab.append_only import Action, AppendOnlyAdmin, actor


@admin.register(Target)
class TargetAdmin(AppendOnlyAdmin):
    form = TargetForm
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
            ("Subjects", {"fields": ["subjects", "each"]}),
            ("Units of the scores", {"fields": reference}),
        ]

    @display(description="subjects")  # type: ignore[untyped-decorator]
    def subject_names(self, row: Target) -> str:
        return ", ".join(row.subjects)

    @display(description="state", label={"computed": "success", "waiting": "warning"})  # type: ignore[untyped-decorator]
    def state(self, row: Target) -> str:
        return "computed" if row.digest else "waiting"

    def create(self, data: dict[str, Any], request: HttpRequest) -> Target:
        shared = {
            "name": data["name"],
            "encoder": data["encoder"],
            "subjects": data["of_subjects"],
            "coefficients": data["coefficients"],
            "reference": data["reference"],
            "axis": data["axis"],
            "by": actor(request),
        }
        if data["each"]:
            return services.make_targets_of_each(**shared)[0]
        return services.make_target(role=data["role"], **shared)

    def row_actions(self) -> dict[str, Action]:
        return {"remake": self.remake, "judge": self.judge}

    def remake(self, request: HttpRequest, row: Target) -> None:
        services.ask_for_target(target=row, by=actor(request))
        messages.success(request, f"The weights of {row} are being computed.")

    def judge(self, request: HttpRequest, row: Target) -> None:
        judge = services.make_judge(guide=row, by=actor(request))
        messages.success(request, f"{judge}, made of all other subjects, is being computed.")

    def page(self, request: HttpRequest, row: Target) -> dict[str, Any]:
        own = row.own_judges.first()
        may_judge = row.role == Target.Role.GUIDE and own is None and row.kind != Target.Kind.AXIS
        return {"own_judge": own, "may_judge": may_judge and services.others_of(row)}
