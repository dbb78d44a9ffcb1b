"""The pages of matched sets: pairs side by side, and their balance."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.http import HttpRequest
from unfold.decorators import display

from almond.errors import InputError
from encoder.models import Target
from generation import services
from generation.admin import sheets
from generation.admin.forms import MatchedSetForm, RematchForm
from generation.admin.pictures import balance_plot
from generation.models import MatchedSet
from lab.append_only import Action, AppendOnlyAdmin, actor


@admin.register(MatchedSet)
class MatchedSetAdmin(AppendOnlyAdmin):
    form = MatchedSetForm
    fields = ["name", "batches", "tolerance", "scored_by"]
    list_display = ["name", "state_label", "pair_count", "tolerance", "created_at"]
    list_filter = ["state"]
    search_fields = ["name"]
    change_form_outer_before_template = "admin/generation/matched_set.html"

    @display(description="state", label={"draft": "warning", "frozen": "success"})
    def state_label(self, row: MatchedSet) -> str:
        return row.state

    @display(description="pairs")
    def pair_count(self, row: MatchedSet) -> int:
        return row.pairs.count()

    def create(self, data: dict[str, Any], request: HttpRequest) -> MatchedSet:
        return services.start_matching(by=actor(request), **data)

    def row_actions(self) -> dict[str, Action]:
        return {"freeze": self.freeze, "rematch": self.rematch}

    def freeze(self, request: HttpRequest, row: MatchedSet) -> None:
        services.freeze_matched_set(matched_set=row, by=actor(request))
        messages.success(request, f"{row} is frozen: studies may show it.")

    def rematch(self, request: HttpRequest, row: MatchedSet) -> None:
        form = RematchForm(request.POST)
        if not form.is_valid():
            raise InputError("tolerance", f"{request.POST.get('tolerance')!r}", "a number from 0.001 to 10")
        services.rematch(matched_set=row, tolerance=form.cleaned_data["tolerance"], by=actor(request))
        messages.success(request, "Pairs are being selected again.")

    def page(self, request: HttpRequest, row: MatchedSet) -> dict[str, Any]:
        grouped = sheets.pairs_by_target(row)
        balance_targets, balance = sheets.balance_table(row)
        return {
            "grouped": [(target, pairs, row.kept.get(target)) for target, pairs in grouped.items()],
            "pair_total": sum(len(pairs) for pairs in grouped.values()),
            "relaxed": [name for name, met in row.reached.items() if met is None or met > row.tolerance],
            "balance_targets": balance_targets,
            "balance": balance,
            "balance_picture": balance_plot(row.balance, row.tolerance) if row.balance else "",
            "reading": "held-out judge" if row.scored_by == Target.Role.JUDGE else "guide",
        }
