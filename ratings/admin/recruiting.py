"""The pages of recruiting and paying: the panel's link, codes and ways back, who came, and the cost."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Count, Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import URLPattern, path, reverse
from django.views.decorators.http import require_POST, require_safe
from unfold.decorators import display

from accounts.services import record
from almond.errors import InputError
from jobs.services import enqueue
from lab.append_only import RowPageAdmin, actor
from ratings.admin.recruiting_form import EndPageInline, RecruitingInline
from ratings.models import Participant, RecruitedStudy
from ratings.services.recruiting.approvals import approval_table, bonus_text
from ratings.services.recruiting.invitations import MOST_LINKS, invitation_table, make_links
from ratings.services.recruiting.overview import overview
from studies.admin import STATES
from studies.models import Study

MAY_SEE_IDS = "ratings.view_recruitment"
Work = Callable[[HttpRequest, Study], "HttpResponse | None"]


class LinksForm(forms.Form):
    count = forms.IntegerField(label="links", min_value=1, max_value=MOST_LINKS)


@admin.register(RecruitedStudy)
class RecruitedStudyAdmin(RowPageAdmin):
    """Studies, as whoever recruits and pays for them sees them. Of a frozen study this may still change."""

    change_form_template = "admin/ratings/recruiting_form.html"
    change_form_outer_before_template = "admin/ratings/recruiting.html"
    inlines = [RecruitingInline, EndPageInline]
    list_display = ["title", "state_label", "recruiter", "finished", "created_at"]
    list_filter = ["state"]
    search_fields = ["title", "slug"]
    fields = ()

    def get_queryset(self, request: HttpRequest) -> QuerySet[RecruitedStudy]:
        done = Q(participants__status__in=Participant.DONE, participants__kind=Participant.Kind.PERSON)
        studies: QuerySet[RecruitedStudy] = super().get_queryset(request)
        return studies.defer(*Participant.LARGE).annotate(done=Count("participants", filter=done))

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> list[Any]:
        """Show no field of the study itself: its title stands above the page."""
        return []

    @display(description="state", ordering="state", label=STATES)
    def state_label(self, row: RecruitedStudy) -> str:
        return row.state

    @display(description="recruiter")
    def recruiter(self, row: RecruitedStudy) -> str:
        plan = getattr(row, "recruiting", None)
        return plan.get_recruiter_display() if plan else "one link for everybody"

    @display(description="finished")
    def finished(self, row: Any) -> str:
        return f"{row.done} of {row.participants_planned}"

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return request.user.has_perm("studies.view_study")

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return request.user.has_perm("studies.change_study")

    def save_model(self, request: HttpRequest, obj: RecruitedStudy, form: Any, change: bool) -> None:
        """Leave the study's own row alone: only what hangs on it is edited here."""
        record(verb="edit recruiting", subject=Study.objects.get(pk=obj.pk), by=actor(request))

    def may_act(self, request: HttpRequest) -> bool:
        return self.has_change_permission(request)

    def page(self, request: HttpRequest, row: RecruitedStudy) -> dict[str, Any]:
        study = Study.objects.get(pk=row.pk)
        may_see_ids = request.user.has_perm(MAY_SEE_IDS)
        address = request.build_absolute_uri(study.join_path)
        return {
            "study": study,
            "may_see_ids": may_see_ids,
            "webhook": request.build_absolute_uri(reverse("prolific_events")),
            "title": f"Recruiting and paying: {study.title}",
            "subtitle": None,
            **overview(study, address=address, with_ids=may_see_ids),
        }

    def get_urls(self) -> list[URLPattern]:
        posts = {"links": self.links, "ask": self.ask}
        tables = {"links.csv": self.links_file, "approvals.csv": self.approvals, "bonuses.txt": self.bonuses}
        own = [
            *(self.own(f"{name}/", name, require_POST(self.act(work))) for name, work in posts.items()),
            *(
                self.own(name, f"{name.partition('.')[0]}_file", require_safe(self.send(work)))
                for name, work in tables.items()
            ),
        ]
        return [*own, *super().get_urls()]

    def own(self, route: str, name: str, view: Callable[..., HttpResponse]) -> URLPattern:
        return path(f"<int:pk>/{route}", self.admin_site.admin_view(view), name=f"ratings_recruiting_{name}")

    def act(self, work: Work) -> Callable[[HttpRequest, int], HttpResponse]:
        """A button of the page, for whoever may change studies."""

        def view(request: HttpRequest, pk: int) -> HttpResponse:
            if not self.has_change_permission(request):
                raise PermissionDenied
            study = get_object_or_404(Study, pk=pk)
            try:
                response = work(request, study)
            except InputError as error:
                messages.error(request, str(error))
                response = None
            return response or redirect("admin:ratings_recruitedstudy_change", pk)

        return view

    def send(self, work: Work) -> Callable[[HttpRequest, int], HttpResponse]:
        """A table with ids, for whoever may see them."""

        def view(request: HttpRequest, pk: int) -> HttpResponse:
            if not request.user.has_perm(MAY_SEE_IDS):
                raise PermissionDenied
            try:
                response = work(request, get_object_or_404(Study, pk=pk))
            except InputError as error:
                messages.error(request, str(error))
                response = None
            return response or redirect("admin:ratings_recruitedstudy_change", pk)

        return view

    def links(self, request: HttpRequest, study: Study) -> None:
        """Make single-use links."""
        form = LinksForm(request.POST)
        if not form.is_valid():
            messages.error(request, f"Expected 1 to {MOST_LINKS} links.")
            return
        made = make_links(study=study, count=form.cleaned_data["count"], by=actor(request))
        messages.success(request, f"{len(made)} links are made: download them below.")

    def ask(self, request: HttpRequest, study: Study) -> HttpResponse:
        """Ask the panel about everybody, in a job."""
        key = f"reconcile study {study.pk}"
        job = enqueue(kind="ratings.reconcile", arguments={"study": study.pk}, by=actor(request), key=key)
        messages.success(request, f"The panel is asked: {job}.")
        return redirect("admin:jobs_job_change", job.pk)

    def links_file(self, request: HttpRequest, study: Study) -> HttpResponse:
        address = request.build_absolute_uri(study.join_path)
        return attached(invitation_table(study, address), f"{study.slug}-links.csv", "text/csv")

    def approvals(self, request: HttpRequest, study: Study) -> HttpResponse:
        return attached(approval_table(study), f"{study.slug}-approvals.csv", "text/csv")

    def bonuses(self, request: HttpRequest, study: Study) -> HttpResponse:
        return attached(bonus_text(study), f"{study.slug}-bonuses.txt", "text/plain")


def attached(text: str, name: str, kind: str) -> HttpResponse:
    """Send a text as a file; nothing on the way keeps it."""
    headers = {"Content-Disposition": f"attachment; filename={json.dumps(name)}", "Cache-Control": "no-store"}
    return HttpResponse(text, content_type=f"{kind}; charset=utf-8", headers=headers)
