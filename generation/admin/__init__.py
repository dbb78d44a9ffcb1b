"""The generation pages: recipes, contact sheets, stimuli, matched sets, image sets."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from django.contrib import admin, messages
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.decorators import display

from almond.errors import InputError
from encoder.models import Target
from generation import services
from generation.admin import forms, sheets
from generation.admin.pictures import DIRECTIONS, balance_plot, scatter, score_bars, score_strips, trace_plot
from generation.models import Batch, ImageSet, MatchedSet, Recipe, Stimulus
from lab.append_only import Action, AppendOnlyAdmin, actor

SHOWN = 240
SCENES = 12


def one_of(wanted: str | None, known: Sequence[str]) -> str:
    """What was asked for where it is known, else the first that is, else nothing."""
    return wanted if wanted is not None and wanted in known else next(iter(known), "")


@admin.register(Recipe)
class RecipeAdmin(AppendOnlyAdmin):
    form = forms.RecipeForm
    list_display = ["name", "prompt", "target_names", "image_count", "generator", "created_at"]
    search_fields = ["name", "prompt"]
    change_form_outer_before_template = "admin/generation/recipe.html"

    @display(description="targets")
    def target_names(self, row: Recipe) -> str:
        return ", ".join(target.name for target in row.targets.all())

    @display(description="images")
    def image_count(self, row: Recipe) -> int:
        return row.images

    @display(description="seeds")
    def seed_list(self, row: Recipe) -> str:
        return ", ".join(map(str, row.seeds))

    @display(description="strengths")
    def strength_list(self, row: Recipe) -> str:
        return ", ".join(f"{value:g}" for value in row.strengths)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return ["seed_list", "strength_list"] if obj else []

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        seeds, strengths = ("seed_list", "strength_list") if obj else ("seeds", "strengths")
        return [
            (None, {"fields": ["name", "prompt", seeds, "generator"]}),
            ("Targets", {"fields": ["targets", "contrast", "both_signs"]}),
            (
                "Guidance",
                {"fields": [strengths, ("window_low", "window_high"), "ramp", "steps", "rule"]},
            ),
        ]

    def create(self, data: dict[str, Any], request: HttpRequest) -> Recipe:
        return services.create_recipe(
            name=data["name"],
            prompt=data["prompt"],
            seeds=data["seed_list"],
            targets=data["targets"],
            strengths=data["strength_list"],
            window=(data["window_low"], data["window_high"]),
            ramp=data["ramp"],
            contrast=data["contrast"],
            both_signs=data["both_signs"],
            rule=data["rule"],
            steps=data["steps"],
            generator=data["generator"],
            by=actor(request),
        )

    def row_actions(self) -> dict[str, Action]:
        return {"generate": self.generate}

    def generate(self, request: HttpRequest, row: Recipe) -> HttpResponse:
        batch = services.start_batch(recipes=[row], by=actor(request))
        messages.success(request, f"{batch.planned} images are being made.")
        return redirect(self.address(batch))

    def page(self, request: HttpRequest, row: Recipe) -> dict[str, Any]:
        return {"batches": row.batches.select_related("job")}


@admin.register(Batch)
class BatchAdmin(AppendOnlyAdmin):
    form = forms.BatchForm
    fields = ["name", "recipes", "judges"]
    list_display = ["name", "made", "state", "created_at"]
    list_select_related = ["job"]
    search_fields = ["name"]
    change_form_outer_before_template = "admin/generation/batch.html"

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
        messages.success(request, "The missing images are being made.")

    def page(self, request: HttpRequest, row: Batch) -> dict[str, Any]:
        images = list(row.stimuli.in_sheet_order().defer("trace", "recipe_json"))
        scenes = Paginator(sorted({one.base_scene for one in images}), SCENES).get_page(
            request.GET.get("scenes")
        )
        shown = [one for one in images if one.base_scene in scenes.object_list]
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


@admin.register(Stimulus)
class StimulusAdmin(AppendOnlyAdmin):
    list_display = ["thumbnail", "name", "intended_target", "pushed", "strength", "source", "digest_start"]
    list_display_links = ["thumbnail", "name"]
    list_filter = ["intended_target", "direction", "batches", "image_set"]
    list_select_related = ["image_set"]
    list_per_page = 50
    search_fields = ["name", "digest", "prompt", "recipe_digest"]
    change_form_outer_before_template = "admin/generation/stimulus.html"

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        return []

    @display(description="")
    def thumbnail(self, row: Stimulus) -> SafeString:
        return format_html('<img class="al-thumb" src="{}" alt="" loading="lazy">', row.url)

    @display(description="pushed", ordering="direction", label={"up": "warning", "down": "info"})
    def pushed(self, row: Stimulus) -> str:
        return DIRECTIONS[row.direction] if row.image_set is None else ""

    @display(description="from")
    def source(self, row: Stimulus) -> str:
        return row.image_set.name if row.image_set else row.prompt

    @display(description="digest")
    def digest_start(self, row: Stimulus) -> str:
        return row.digest[:12]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def page(self, request: HttpRequest, row: Stimulus) -> dict[str, Any]:
        window = row.recipe_json.get("window") or (0.0, 0.0)
        base = Stimulus.objects.filter(
            base_scene=row.base_scene, direction=0, image_set=None, batches__in=row.batches.all()
        )
        return {
            "title": str(row),
            "bars": score_bars(row.scores, intended=row.intended_target) if row.scores else "",
            "trace": trace_plot(row.trace, (window[0], window[1]), row.intended_target),
            "base": base.exclude(pk=row.pk).first(),
            "lowlevel": [(name.replace("_", " "), value) for name, value in row.lowlevel.items()],
            "norms": sorted(row.norms.items()),
            "recipe_text": json.dumps(row.recipe_json, indent=2, sort_keys=True) if row.recipe_json else "",
            "pairs": row.high_in.select_related("matched_set") | row.low_in.select_related("matched_set"),
        }


@admin.register(MatchedSet)
class MatchedSetAdmin(AppendOnlyAdmin):
    form = forms.MatchedSetForm
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
        form = forms.RematchForm(request.POST)
        if not form.is_valid():
            raise InputError("tolerance", f"{request.POST.get('tolerance')!r}", "a number from 0.001 to 10")
        services.rematch(matched_set=row, tolerance=form.cleaned_data["tolerance"], by=actor(request))
        messages.success(request, "Pairs are being chosen again.")

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


@admin.register(ImageSet)
class ImageSetAdmin(AppendOnlyAdmin):
    form = forms.ImageSetForm
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
        added = ["name", ("folder", "norms_file"), ("archive", "norms_upload")]
        return [(None, {"fields": ["name", "folder", "norms_file"] if obj else added})]

    def create(self, data: dict[str, Any], request: HttpRequest) -> ImageSet:
        folder, norms = data["folder"], data["norms_file"]
        if data["archive"]:
            folder = services.keep_upload(data=data["archive"].read(), suffix="zip")
        if data["norms_upload"]:
            norms = services.keep_upload(data=data["norms_upload"].read(), suffix="csv")
        return services.import_image_set(name=data["name"], folder=folder, norms=norms, by=actor(request))

    def row_actions(self) -> dict[str, Action]:
        return {"score": self.score, "retry": self.retry}

    def score(self, request: HttpRequest, row: ImageSet) -> None:
        form = forms.ScoringForm(request.POST)
        if not form.is_valid():
            raise InputError("targets", "none were chosen", "one or more targets")
        services.start_scoring(image_set=row, targets=form.cleaned_data["targets"], by=actor(request))
        messages.success(request, "The images are being scored.")

    def retry(self, request: HttpRequest, row: ImageSet) -> None:
        services.retry_import(image_set=row, by=actor(request))
        messages.success(request, "The images are being brought in.")

    def page(self, request: HttpRequest, row: ImageSet) -> dict[str, Any]:
        images = list(row.stimuli.order_by("name"))
        names = sorted({name for one in images for name in one.scores})
        norm = one_of(request.GET.get("norm"), row.norms)
        score = one_of(request.GET.get("score"), names)
        points = sheets.norm_points(images, norm, score) if norm and score else []
        return {
            "images": images[:SHOWN],
            "count": len(images),
            "score_names": names,
            "chosen_norm": norm,
            "chosen_score": score,
            "scatter": scatter(points, x_title=norm, y_title=f"score {score}") if points else "",
            "targets": Target.objects.exclude(digest="").select_related("encoder"),
            "scoring_job": services.scoring_job(image_set=row),
        }
