"""The jobs page: progress, errors, cancel and retry."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import URLPattern, path
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.views.decorators.http import require_POST
from unfold.admin import ModelAdmin
from unfold.decorators import action, display

from accounts.models import User
from almond.errors import InputError
from jobs import services
from jobs.models import Job, JobQuerySet, State

COLOURS = {
    State.QUEUED: "info",
    State.RUNNING: "primary",
    State.DONE: "success",
    State.FAILED: "danger",
    State.CANCELLED: "warning",
}
Verb = Callable[..., Job]


@admin.register(Job)
class JobAdmin(ModelAdmin):
    list_display = ["title", "shown_state", "bar", "message", "requested_by", "created_at", "took"]
    list_filter = ["state", "kind"]
    search_fields = ["kind", "message", "error", "key"]
    list_select_related = ["requested_by"]
    actions = ["cancel_selected", "retry_selected"]
    change_form_outer_before_template = "admin/jobs/job.html"
    fieldsets = [
        ("Request", {"fields": ["kind", "arguments", "requested_by", "created_at"]}),
        ("Outcome", {"fields": ["started_at", "finished_at", "attempts", "max_attempts", "result"]}),
        ("Diagnostics", {"fields": ["traceback", "worker", "heartbeat", "key"]}),
    ]

    @display(description="job", ordering="pk")
    def title(self, job: Job) -> str:
        return str(job)

    @display(description="state", ordering="state", label=COLOURS)
    def shown_state(self, job: Job) -> str:
        return job.state

    @display(description="progress", ordering="progress")
    def bar(self, job: Job) -> SafeString:
        return format_html(
            '<div class="al-progress" role="progressbar" aria-label="progress" aria-valuemin="0"'
            ' aria-valuemax="100" aria-valuenow="{0}"><span style="width: {0}%"></span></div>',
            job.percent,
        )

    @display(description="took")
    def took(self, job: Job) -> str:
        duration = job.duration()
        return "" if duration is None else str(timedelta(seconds=round(duration.total_seconds())))

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Job | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Job | None = None) -> bool:
        return False

    def has_act_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perm("jobs.change_job"))

    @action(description="Cancel", permissions=["act"])
    def cancel_selected(self, request: HttpRequest, queryset: JobQuerySet) -> None:
        self._each(request, queryset, services.cancel, "cancelled or stopping")

    @action(description="Try again", permissions=["act"])
    def retry_selected(self, request: HttpRequest, queryset: JobQuerySet) -> None:
        self._each(request, queryset, services.retry, "waiting again")

    def _each(self, request: HttpRequest, jobs: JobQuerySet, verb: Verb, outcome: str) -> None:
        for job in jobs.order_by("pk"):
            self._one(request, job, verb, outcome)

    def _one(self, request: HttpRequest, job: Job, verb: Verb, outcome: str) -> None:
        try:
            verb(job=job, by=request.user if isinstance(request.user, User) else None)
        except InputError as error:
            messages.error(request, str(error))
        else:
            messages.success(request, f"{job}: {outcome}.")

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        own = [
            path("<int:pk>/state/", view(self.state_view), name="jobs_job_state"),
            path("<int:pk>/cancel/", view(require_POST(self.cancel_view)), name="jobs_job_cancel"),
            path("<int:pk>/retry/", view(require_POST(self.retry_view)), name="jobs_job_retry"),
        ]
        return [*own, *super().get_urls()]

    def state_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        if not self.has_view_permission(request):
            raise PermissionDenied
        return JsonResponse(get_object_or_404(Job, pk=pk).state_json())

    def cancel_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        return self._act(request, pk, services.cancel, "cancelled or stopping")

    def retry_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        return self._act(request, pk, services.retry, "waiting again")

    def _act(self, request: HttpRequest, pk: int, verb: Verb, outcome: str) -> HttpResponse:
        if not self.has_act_permission(request):
            raise PermissionDenied
        self._one(request, get_object_or_404(Job, pk=pk), verb, outcome)
        return redirect("admin:jobs_job_change", pk)

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        job = self.get_object(request, object_id)
        extra = {**(extra_context or {}), "job": job, "may_act": self.has_act_permission(request)}
        response: HttpResponse = super().change_view(request, object_id, form_url, extra)
        return response
