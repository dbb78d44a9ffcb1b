"""The pages of trajectories: what is looked for, strips of pictures with their scores, which were missed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.decorators import display
from unfold.widgets import (
    UnfoldAdminCheckboxSelectMultipleWidget,
    UnfoldAdminDecimalFieldWidget,
    UnfoldAdminIntegerFieldWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
    UnfoldBooleanSwitchWidget,
)

from almond.guidance.generators import DEFAULT_GENERATOR, defaults_of, known_generators
from almond.shapes import read
from almond.trajectories.settings import TrajectoryPlan, TrajectorySettings, calibrated_settings
from encoder.models import Target
from generation import services
from generation.admin.diagnosis_form import prompt_lines
from generation.admin.guidance_form import read_seeds
from generation.models import Stimulus, TrajectorySet
from generation.services.diagnoses import check_judges
from generation.services.trajectories import check_trajectories
from lab.append_only import Action, AppendOnlyAdmin, RowForm, actor, errors_shown_on
from lab.svg import Axes, dot, padded, picture, polyline, ticks

DEFAULT = {name: field.default for name, field in TrajectorySettings.model_fields.items()}
KEPT_FIELDS = ["name", "targets", "judges", "created_at", "finished_at"]
NUMBERS = ("pictures", "within", "budget", "span", "keep_people")


class TrajectoryForm(RowForm):
    generator = forms.CharField(initial=DEFAULT_GENERATOR, widget=UnfoldAdminTextInputWidget)
    prompts = forms.CharField(widget=UnfoldAdminTextareaWidget(attrs={"rows": 4}), help_text="One per line.")
    seeds = forms.CharField(
        initial="1", widget=UnfoldAdminTextInputWidget, help_text="Scenes of every prompt, for example 1-2."
    )
    pictures = forms.IntegerField(
        initial=DEFAULT["pictures"],
        widget=UnfoldAdminIntegerFieldWidget,
        help_text="Levels at equal distance, one picture each: 3 to 15.",
    )
    within = forms.FloatField(
        initial=DEFAULT["within"],
        widget=UnfoldAdminDecimalFieldWidget,
        help_text="How far a picture may lie from its level, in gaps between levels.",
    )
    budget = forms.IntegerField(
        initial=DEFAULT["budget"],
        widget=UnfoldAdminIntegerFieldWidget,
        help_text="Pictures drawn for one trajectory, at the most.",
    )
    span = forms.FloatField(
        initial=DEFAULT["span"],
        widget=UnfoldAdminDecimalFieldWidget,
        help_text="Least share of the range that strengths reach which the levels cover.",
    )
    keep_people = forms.BooleanField(
        required=False,
        widget=UnfoldBooleanSwitchWidget,
        help_text="Leave out pictures that show other people than the unguided one.",
    )

    class Meta:
        model = TrajectorySet
        fields = ["name", "targets", "judges"]
        widgets = {
            "targets": UnfoldAdminCheckboxSelectMultipleWidget,
            "judges": UnfoldAdminCheckboxSelectMultipleWidget,
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "targets" in self.fields:
            self.fields["targets"].queryset = Target.objects.guides()  # type: ignore[attr-defined]
            self.fields["judges"].queryset = Target.objects.judges()  # type: ignore[attr-defined]
            self.fields["judges"].help_text = (
                "Empty: the judges of the guides' encoder, or subjects who do not guide. They read the "
                "pictures and choose nothing."
            )
            self.fields["generator"].help_text = known_generators("the folder of a diffusers pipeline") + "."

    def clean(self) -> dict[str, Any]:
        data: dict[str, Any] = super().clean() or {}
        with errors_shown_on(self):
            data["seed_list"] = read_seeds(data.get("seeds", ""))
        if not self.errors:
            with errors_shown_on(self):
                data["plan"] = read(TrajectoryPlan, self._values(data), source="trajectories")
                check_trajectories(guides=list(data["targets"]), plan=data["plan"])
                check_judges(list(data["targets"]), list(data["judges"]))
        return data

    def _values(self, data: dict[str, Any]) -> dict[str, Any]:
        """Collect the plan: guidance as the generator was calibrated, other noises where they keep the
        layout."""
        usual = defaults_of(data["generator"])
        asked = read(TrajectorySettings, {name: data[name] for name in NUMBERS}, source="trajectory")
        return {
            "generator": data["generator"],
            "prompts": prompt_lines(data["prompts"]),
            "seeds": data["seed_list"],
            "window": usual.window,
            "ramp": usual.ramp,
            "steps": usual.steps,
            "trajectory": calibrated_settings(asked, data["generator"]).model_dump(),
        }


@admin.register(TrajectorySet)
class TrajectorySetAdmin(AppendOnlyAdmin):
    form = TrajectoryForm
    list_display = ["name", "reached", "state", "created_at", "report"]
    list_select_related = ["job"]
    search_fields = ["name"]
    change_form_outer_before_template = "admin/generation/trajectories.html"

    @display(description="reached")
    def reached(self, row: TrajectorySet) -> str:
        return f"{row.result['reached']} of {len(row.result['trajectories'])}" if row.is_ready else ""

    @display(description="state")
    def state(self, row: TrajectorySet) -> str:
        return row.job.state if row.job else ""

    @display(description="report")
    def report(self, row: TrajectorySet) -> SafeString | str:
        return format_html('<a href="{}">report</a>', row.get_absolute_url()) if row.is_ready else ""

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        if obj:
            return [(None, {"fields": KEPT_FIELDS})]
        return [
            (None, {"fields": ["name", "generator", "prompts", "seeds"]}),
            ("Targets", {"fields": ["targets", "judges"]}),
            ("Levels", {"fields": [("pictures", "within"), ("budget", "span"), "keep_people"]}),
        ]

    def create(self, data: dict[str, Any], request: HttpRequest) -> TrajectorySet:
        return services.start_trajectories(
            name=data["name"],
            targets=data["targets"],
            plan=data["plan"],
            judges=data["judges"] or None,
            by=actor(request),
        )

    def row_actions(self) -> dict[str, Action]:
        return {"resume": self.resume}

    def resume(self, request: HttpRequest, row: TrajectorySet) -> None:
        services.resume_trajectories(trajectories=row, by=actor(request))
        messages.success(request, "The search goes on at the first missing picture.")

    def page(self, request: HttpRequest, row: TrajectorySet) -> dict[str, Any]:
        plan = row.trajectory_plan()
        return {
            "plan": plan,
            "asked": len(plan.prompts) * len(plan.seeds) * row.targets.count(),
            "trajectories": strips_of(row),
        }


def strips_of(row: TrajectorySet) -> list[dict[str, Any]]:
    """List the trajectories with the stimulus of every step, what changed to the next, and the judge's
    course."""
    if row.batch is None:
        return []
    stimuli: dict[str, Stimulus] = {
        stimulus.recipe_digest: stimulus for stimulus in row.batch.stimuli.defer("trace", "recipe_json")
    }
    strips = []
    for number, trajectory in enumerate(row.result["trajectories"], 1):
        changes = [None, *trajectory["changes"]]
        steps = [
            {
                **step,
                "stimulus": stimuli.get(step["recipe_digest"]),
                "score": step["scores"][trajectory["target"]],
                "missed": step["error"] > row.trajectory_plan().trajectory.within,
                "said": change["said"] if change else [],
                "judged": judged_scores(step["read"], trajectory["target"]),
            }
            for step, change in zip(trajectory["steps"], changes, strict=False)
        ]
        drawn = course(steps, trajectory["target"]) if steps else ""
        strips.append({**trajectory, "number": number, "steps": steps, "course": drawn})
    return strips


def course(steps: Sequence[Mapping[str, Any]], target: str) -> SafeString:
    """Draw every reader's score of the target against the step, the guide's strong; rings are the levels."""
    readers = {name: [step["read"][name][target] for step in steps] for name in steps[0]["read"]}
    levels = [step["level"] for step in steps]
    marks = ticks(*padded([*levels, *(value for values in readers.values() for value in values)]))
    axes = Axes(width=520, height=220, x_range=(1, len(steps)), y_range=(marks[0], marks[-1]), right=120)
    parts = [axes.y_grid(marks), axes.x_grid(range(1, len(steps) + 1)), axes.x_title("step")]
    parts.append(axes.y_title(f"score of {target}"))
    for name, values in readers.items():
        guide = name == "guide"
        points = [(axes.x(place), axes.y(value)) for place, value in enumerate(values, 1)]
        parts.append(polyline(points, "al-line" if guide else "al-line al-line-faint"))
        for (x, y), value in zip(points, values, strict=True):
            parts.append(dot(x, y, 3.2 if guide else 2.2, "al-dot", f"{name}: {value:+.2f}"))
        label = '<text class="al-tick{}" x="{}" y="{}" dy="0.32em">{}</text>'
        shift = float(points[-1][0]) + 6
        parts.append(format_html(label, " al-strong" if guide else "", shift, points[-1][1], name[:20]))
    for place, level in enumerate(levels, 1):
        parts.append(dot(axes.x(place), axes.y(level), 5.0, "al-hollow", f"level {level:+.2f}"))
    return picture(axes, f"score of {target} by reader against the step", parts)


def judged_scores(read: dict[str, dict[str, float]], target: str) -> list[tuple[str, float]]:
    """List reader and score of everybody but the guide."""
    return [(name, scores[target]) for name, scores in read.items() if name != "guide"]
