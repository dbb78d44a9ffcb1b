"""The study pages: drafts are edited, frozen studies are looked at, opened, paused and closed."""

from __future__ import annotations

import json
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import URLPattern, path, reverse
from django.utils.translation import override
from unfold.admin import ModelAdmin
from unfold.decorators import display

from accounts.services import record
from almond.analysis.registration.plan_document import deposit_line, plan_document
from almond.design.flow.quotas import quota_warnings
from almond.design.identity import design_digest
from almond.design.plan import StudyPlan
from almond.design.readiness import theme_warnings
from almond.errors import InputError
from lab.append_only import Action, AppendOnlyAdmin, actor
from studies import services, texts
from studies.admin.blind import BlindPages, amendments_of, blind_parts
from studies.admin.designs import DesignPages
from studies.admin.figures import visit_figures
from studies.admin.flow import planned_arms, planned_exposures, steps
from studies.admin.inlines import (
    ArmInline,
    BlockInline,
    ConstructTextInline,
    DraftInline,
    ExclusionInline,
    HypothesisInline,
    InformationInline,
    PreregistrationInline,
)
from studies.admin.readiness import obstacles
from studies.models import Construct, Rehearsal, Study, images_by_name
from studies.services.copying import differences, duplicate, new_version
from studies.services.information import contact_warnings, information_of
from studies.services.plans import build_plan
from studies.services.presentation import script_words
from studies.services.visit import previewed

STATES = {"draft": "warning", "frozen": "info", "live": "success", "paused": "warning", "closed": "primary"}


@admin.register(Construct)
class ConstructAdmin(ModelAdmin):
    list_display = ["name", "question", "low", "high", "choice", "target"]
    search_fields = ["name", "question"]
    fieldsets = [
        (None, {"fields": [("name", "language"), "question", ("low", "high")]}),
        ("Choice between two images", {"fields": ["choice", "target"]}),
    ]
    inlines = [ConstructTextInline]

    def get_readonly_fields(self, request: HttpRequest, obj: Construct | None = None) -> list[str]:
        """Leave the words of a construct that was shown as they are; translations may still be added."""
        own = ["name", "language", "question", "low", "high", "choice", "target"]
        return own if obj is not None and obj.is_shown else []

    def has_delete_permission(self, request: HttpRequest, obj: Construct | None = None) -> bool:
        return not (obj and obj.is_shown) and bool(super().has_delete_permission(request, obj))

    def save_model(self, request: HttpRequest, obj: Construct, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        record(verb="edit" if change else "create", subject=obj, by=actor(request))


@admin.register(Study)
class StudyAdmin(DesignPages, BlindPages, AppendOnlyAdmin):
    change_form_template = "admin/studies/study_form.html"
    change_form_outer_before_template = "admin/studies/study.html"
    list_before_template = "admin/studies/study_list.html"
    inlines = [
        *(BlockInline, ArmInline, InformationInline),
        *(HypothesisInline, ExclusionInline, PreregistrationInline),
    ]
    list_display = ["title", "state_label", "source", "participants_planned", "created_at"]
    list_filter = ["state"]
    list_select_related = ["matched_set", "image_set"]
    search_fields = ["title", "slug", "plan_digest"]
    prepopulated_fields = {"slug": ["title"]}
    fieldsets = [
        (
            None,
            {
                "fields": [
                    ("title", "language"),
                    "slug",
                    ("matched_set", "image_set"),
                    "unmatched_reason",
                    "rehearsal",
                ]
            },
        ),
        (
            "Participants",
            {
                "fields": [
                    ("participants_planned", "n_lists"),
                    ("timeout_minutes", "grace_minutes"),
                    ("on_withdrawal", "retention_days"),
                ]
            },
        ),
        ("Plan", {"fields": [("seed", "permutations"), "block_order"]}),
        ("Limits", {"fields": ["joins_per_minute", ("most_events", "most_attempts")]}),
        ("Words", {"fields": ["consent", "debriefing"]}),
    ]

    @display(description="state", ordering="state", label=STATES)
    def state_label(self, row: Study) -> str:
        return row.state

    @display(description="images")
    def source(self, row: Study) -> str:
        if row.matched_set is not None:
            return f"{row.matched_set} ({row.matched_set.verdict})"
        return str(row.image_set or "none yet")

    def get_inline_instances(self, request: HttpRequest, obj: Study | None = None) -> list[DraftInline]:
        inlines = super().get_inline_instances(request, obj)
        return [inline for inline in inlines if inline.shows_anything(request, obj)]

    def get_prepopulated_fields(self, request: HttpRequest, obj: Study | None = None) -> dict[str, Any]:
        return self.prepopulated_fields if obj is None else {}

    def has_change_permission(self, request: HttpRequest, obj: Study | None = None) -> bool:
        return (obj is None or obj.is_draft) and request.user.has_perm("studies.change_study")

    def has_delete_permission(self, request: HttpRequest, obj: Study | None = None) -> bool:
        # Never many at once: a study that was frozen stays.
        return obj is not None and obj.is_draft and request.user.has_perm("studies.delete_study")

    def save_model(self, request: HttpRequest, obj: Study, form: Any, change: bool) -> None:
        """Runs in the transaction of the page: a draft that is frozen meanwhile cannot be overwritten."""
        if change:
            try:
                services.lock_draft(study=obj)
            except InputError as error:
                raise PermissionDenied(str(error)) from error
        texts.follow_language(obj)
        obj.save()
        record(verb="edit" if change else "create", subject=obj, by=actor(request))

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        for formset in formsets:
            self.save_formset(request, form, formset, change=change)

    def delete_model(self, request: HttpRequest, obj: Study) -> None:
        services.delete_draft(study=obj, by=actor(request))

    def row_actions(self) -> dict[str, Action]:
        return {
            "freeze": self.freeze,
            "open": self.open,
            "pause": self.pause,
            "close": self.close,
            "new_version": self.new_version,
            "duplicate": self.duplicate,
        }

    def freeze(self, request: HttpRequest, row: Study) -> None:
        frozen = services.freeze(study=row, by=actor(request))
        messages.success(
            request, f"Frozen under {frozen.plan_digest[:12]}…: nothing of it can change any more."
        )
        for warning in theme_warnings(frozen.frozen_plan):
            messages.warning(request, warning)

    def open(self, request: HttpRequest, row: Study) -> None:
        reason = request.POST.get("reason", "")
        services.open_study(study=row, by=actor(request), reason=reason)
        messages.success(request, "Open: participants may begin.")

    def pause(self, request: HttpRequest, row: Study) -> None:
        services.pause(study=row, by=actor(request))
        messages.success(request, "Paused: nobody can begin, answers wait in the browsers.")

    def close(self, request: HttpRequest, row: Study) -> None:
        services.close(study=row, by=actor(request))
        messages.success(request, "Closed.")

    def new_version(self, request: HttpRequest, row: Study) -> HttpResponse:
        draft = new_version(study=row, by=actor(request))
        messages.success(request, f"A draft with everything of “{row.title}”; the old one stays as it is.")
        return redirect(self.address(draft))

    def duplicate(self, request: HttpRequest, row: Study) -> HttpResponse:
        draft = duplicate(study=row, by=actor(request))
        messages.success(request, "A draft with the same design; give it a title and a link of its own.")
        return redirect(self.address(draft))

    def page(self, request: HttpRequest, row: Study) -> dict[str, Any]:
        plan, error = self.plan_of(row)
        shown: dict[str, Any] = {
            "obstacles": obstacles(row, error) if error else [],
            "join_address": request.build_absolute_uri(row.join_path),
            "previous": row.previous,
            "next_versions": row.next_versions.all(),
            "changes": differences(row, plan),
            "rehearsals": row.rehearsals.select_related("job"),
            "unrehearsed": services.needs_rehearsal(row),
            "rehearsal_of": Rehearsal.objects.filter(copy=row).select_related("study").first(),
        }
        if plan is not None:
            images = images_by_name(stimulus.id for stimulus in plan.stimuli)
            shown |= {"plan": plan, "steps": steps(row, plan, images), "visit": visit_figures(row, plan)}
            shown |= {"arms": planned_arms(row, plan), "exposures": planned_exposures(row, plan)}
            shown["warnings"] = [
                *theme_warnings(plan),
                *quota_warnings(plan),
                *(contact_warnings(row, information_of(row)) if row.is_draft else []),
            ]
            finding = row.findings.first()
            stale = finding is not None and finding.design_digest != design_digest(plan, row.n_lists)
            shown |= {"finding": finding, "finding_is_stale": stale}
            document = plan_document(plan, amendments_of(row))
            shown |= {"document": document, "deposit": deposit_line(plan)}
        return {**shown, **blind_parts(request, row), "lists": row.lists.all()}

    def plan_of(self, row: Study) -> tuple[StudyPlan | None, InputError | None]:
        """Return the frozen plan, or the one that freezing would make, or what is in its way."""
        if not row.is_draft:
            return row.frozen_plan, None
        try:
            return build_plan(row), None
        except InputError as error:
            return None, error

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        own = [
            path("<int:pk>/preview/", view(self.preview), name="studies_study_preview"),
            path("<int:pk>/plan.json", view(self.plan_file), name="studies_study_plan"),
        ]
        return [*own, *super().get_urls()]

    def readable(self, request: HttpRequest, pk: int) -> Study:
        row = get_object_or_404(Study, pk=pk)
        if not self.has_view_permission(request, row):
            raise PermissionDenied
        return row

    def preview(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Show a few trials of each block, as participants see them; nothing is stored."""
        row = self.readable(request, pk)
        plan, error = self.plan_of(row)
        if plan is None:
            messages.error(request, str(error))
            return self.response_post_save_change(request, row)
        visit = previewed(row, plan)
        config = {"participant": "preview", "preview": True, "urls": {}, "state": visit.to_json()}
        context = {"study": row, "config": config, "first_images": visit.first_images()}
        with override(row.language):
            context["words"] = script_words(row.language)
            return render(request, "participant/study.html", context)

    def plan_file(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Send the frozen plan, byte for byte what its digest was taken of."""
        row = self.readable(request, pk)
        plan, error = self.plan_of(row)
        if plan is None:
            return HttpResponse(str(error), status=409, content_type="text/plain; charset=utf-8")
        name = json.dumps(f"{row.slug}-plan.json")
        headers = {"Content-Disposition": f"attachment; filename={name}"}
        return HttpResponse(plan.to_bytes(), content_type="application/json", headers=headers)

    def address(self, row: Any) -> str:
        return reverse("admin:studies_study_change", args=[row.pk])
