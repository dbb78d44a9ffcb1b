"""The pages of matched sets: the verdict, pairs side by side, balance, screening, photographs beside."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from unfold.decorators import display

from almond.errors import InputError
from almond.stimuli.pairing.yardsticks import GROUPS
from encoder.models import Target
from generation import services
from generation.admin import sheets
from generation.admin.forms import ComparisonForm, MatchedSetForm, RematchForm
from generation.admin.pictures import balance_plot
from generation.models import ImageSet, MatchedSet
from lab.append_only import Action, AppendOnlyAdmin, actor

VERDICTS = {"matched": "success", "not matched": "danger"}
SHOWN_AT_ONCE = 24
"""Images on one page of the screening."""


@admin.register(MatchedSet)
class MatchedSetAdmin(AppendOnlyAdmin):
    form = MatchedSetForm
    fields = ["name", "batches", ("tolerance", "paired"), "held", ("scenes", "budget"), "scored_by"]
    list_display = ["name", "verdict_label", "state_label", "pair_count", "tolerance", "paired", "created_at"]
    list_filter = ["state", "matched"]
    search_fields = ["name"]
    change_form_outer_before_template = "admin/generation/matched_set.html"

    @display(description="matching", ordering="matched", label=VERDICTS)
    def verdict_label(self, row: MatchedSet) -> str:
        return row.verdict

    @display(description="state", label={"draft": "warning", "frozen": "success"})
    def state_label(self, row: MatchedSet) -> str:
        return row.state

    @display(description="pairs")
    def pair_count(self, row: MatchedSet) -> int:
        return row.pairs.count()

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return [name for name in self.fields if name != "held"] if obj else self.fields

    def create(self, data: dict[str, Any], request: HttpRequest) -> MatchedSet:
        return services.start_matching(by=actor(request), **{**data, "held": data["held"] or None})

    def row_actions(self) -> dict[str, Action]:
        return {
            "freeze": self.freeze,
            "rematch": self.rematch,
            "screened": self.screened,
            "compare": self.compare,
        }

    def freeze(self, request: HttpRequest, row: MatchedSet) -> None:
        reason = request.POST.get("unscreened_reason", "")
        services.freeze_matched_set(matched_set=row, by=actor(request), unscreened_reason=reason)
        messages.success(request, f"{row} is frozen: studies may show it.")
        if not row.matched:
            messages.warning(request, "It is not matched: a study of it needs a written reason in its plan.")

    def rematch(self, request: HttpRequest, row: MatchedSet) -> None:
        form = RematchForm(request.POST)
        if not form.is_valid():
            wrong = ", ".join(f"{name} {request.POST.get(name)!r}" for name in form.errors)
            raise InputError("bounds", wrong, "a number from 0.001 to 10")
        bounds = form.cleaned_data
        services.rematch(
            matched_set=row, tolerance=bounds["tolerance"], paired=bounds["paired"], by=actor(request)
        )
        messages.success(request, "Pairs are being selected again.")

    def screened(self, request: HttpRequest, row: MatchedSet) -> HttpResponse:
        """Take a page of the screening: a reason rejects an image, none accepts it."""
        shown = request.POST.getlist("image")
        if not shown or not all(pk.isascii() and pk.isdigit() for pk in shown):
            raise InputError("images", "none were shown", "the images of a page of the screening")
        verdicts = {int(pk): request.POST.get(f"reason-{pk}", "")[:300] for pk in shown}
        rows = services.screen_images(matched_set=row, verdicts=verdicts, by=actor(request))
        rejected = sum(not screening.accepted for screening in rows)
        messages.success(request, f"{len(rows)} images looked at, {rejected} rejected.")
        return self.screening_page(request, row)

    def compare(self, request: HttpRequest, row: MatchedSet) -> None:
        form = ComparisonForm(request.POST)
        if not form.is_valid():
            raise InputError("photographs", "no set was chosen", "an imported set of photographs")
        services.start_comparison(matched_set=row, by=actor(request), **form.cleaned_data)
        messages.success(request, "Photographs are being selected.")

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.screen)
        return [path("<int:pk>/screen/", view, name="generation_matchedset_screen"), *super().get_urls()]

    def screen(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Show images that wait to be screened, without anything that tells target or direction."""
        row = get_object_or_404(MatchedSet, pk=pk)
        if not self.may_act(request):
            raise PermissionDenied
        return self.screening_page(request, row)

    def screening_page(self, request: HttpRequest, row: MatchedSet) -> HttpResponse:
        waiting = services.to_screen(row)
        context = {
            **self.admin_site.each_context(request),
            "title": f"Screening of {row}",
            "row": row,
            "images": waiting[:SHOWN_AT_ONCE],
            "waiting": len(waiting),
            "back": reverse("admin:generation_matchedset_change", args=[row.pk]),
            "done": reverse("admin:generation_matchedset_screened", args=[row.pk]),
        }
        return TemplateResponse(request, "admin/generation/screening.html", context)

    def page(self, request: HttpRequest, row: MatchedSet) -> dict[str, Any]:
        grouped = sheets.pairs_by_target(row)
        balance_targets, balance = sheets.balance_table(row)
        difference, effect = row.worst
        rejected = row.screenings.filter(accepted=False).select_related("stimulus", "by")
        return {
            "grouped": [(target, pairs, row.kept.get(target)) for target, pairs in grouped.items()],
            "pair_total": sum(len(pairs) for pairs in grouped.values()),
            "held_words": ", ".join(GROUPS[name][0] for name in row.held if name in GROUPS),
            "holds_others": "off_target" in row.held,
            "worst_difference": difference,
            "worst_effect": effect,
            "balance_targets": balance_targets,
            "balance": balance,
            "balance_picture": balance_plot(row.balance, row.tolerance) if row.balance else "",
            "effect_picture": balance_plot(row.balance, row.paired, effect="d_z", x_title="paired d_z")
            if effect is not None
            else "",
            "equivalence": sheets.equivalence_counts(row.checks.get("equivalence", [])),
            "classifier": row.checks.get("classifier"),
            "rejected": rejected,
            "unscreened": row.unscreened().count(),
            "screened_count": row.screenings.count(),
            "comparisons": row.comparisons.select_related("image_set", "job"),
            "image_sets": ImageSet.objects.filter(imported_at__isnull=False),
            "reading": "held-out judge" if row.scored_by == Target.Role.JUDGE else "guide",
        }
