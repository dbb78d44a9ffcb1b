"""The report of trajectories: how many were reached, then strip, scores and changes of each."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from almond.files.writing import write_atomically
from almond.report.document import Document, KeyNumber, Picture, Section, Table
from almond.report.wording import percent, signed
from almond.report.write import report_folder, write_pages
from almond.stimuli.images import contact_sheet, png_bytes
from almond.trajectories.changes import changes
from almond.trajectories.figures import course_figure, others_figure, strip_figure
from almond.trajectories.find import FORMAT, FoundTrajectory, TrajectoryFindings, TrajectoryStep

KIND = "almond-trajectories"
STRIPS, CHOSEN = "strips", "chosen"
ENLARGED = 2

LOOK = (
    "Look at every strip: some pictures in between are fragments, such as a knife's handle, which no "
    "detector finds. A step is often another object, not more of one."
)


def write_trajectories(findings: TrajectoryFindings, out: Path) -> dict[str, Any]:
    """Write the report's pages, ``result.json``, a strip and the chosen pictures of every trajectory into
    ``out``, and return what result.json holds.

    The folder appears whole, in the place of an earlier report of this kind.
    """
    result = trajectory_result(findings)
    with report_folder(out, KIND) as folder:
        figures: dict[str, Figure] = {}
        for number, row in enumerate(findings.trajectories, 1):
            if row.steps:
                figures |= _figures(row, number)
                strip = contact_sheet([step.image for step in row.steps], len(row.steps), scale=ENLARGED)
                write_atomically(folder / STRIPS / f"{number:02d}.png", png_bytes(strip))
            for place, step in enumerate(row.steps, 1):
                write_atomically(folder / chosen_file(number, place), png_bytes(step.image))
        write_pages(folder, trajectory_document(findings), figures, result)
    return result


def chosen_file(number: int, place: int) -> str:
    """Return where a chosen picture lies in the folder: trajectory and step, both from 1."""
    return f"{CHOSEN}/{number:02d}/step-{place}.png"


def _figures(row: FoundTrajectory, number: int) -> dict[str, Figure]:
    figures = {f"strip-{number}": strip_figure(row), f"course-{number}": course_figure(row)}
    if (others := others_figure(row)) is not None:
        figures[f"others-{number}"] = others
    return figures


def trajectory_result(findings: TrajectoryFindings) -> dict[str, Any]:
    """Collect what result.json holds: settings, provenance, and every trajectory with its steps."""
    request, errors = findings.request, findings.errors
    return {
        "format": FORMAT,
        "headline": findings.headline,
        "settings": request.settings.model_dump(mode="json"),
        "reached": findings.reached,
        "share_within": findings.reached / len(findings.trajectories),
        "trajectory_level_error": float(np.median(errors)) if len(errors) else None,
        "readers": [
            {
                "name": reader.name,
                "role": reader.role,
                "subjects": None if reader.subjects is None else sorted(reader.subjects),
            }
            for reader in findings.readers
        ],
        "people": request.people,
        "trajectories": [
            _trajectory_json(row, number, findings) for number, row in enumerate(findings.trajectories, 1)
        ],
        "provenance": dict(findings.provenance),
    }


def _trajectory_json(row: FoundTrajectory, number: int, findings: TrajectoryFindings) -> dict[str, Any]:
    spacing = row.sought.spacing
    return {
        "prompt": row.prompt,
        "seed": row.seed,
        "target": row.target,
        "reached": row.sought.reached,
        "sentences": row.sought.sentences,
        "drawn": len(row.sought.pool.scores),
        "gap": None if spacing is None else spacing.gap,
        "worst_error": None if spacing is None else spacing.worst,
        "people_share": None if row.people is None else row.people.share,
        "courses": {reader.name: row.course(reader.name) for reader in findings.readers if row.steps},
        "steps": [
            {"file": chosen_file(number, place), **_step_json(step)}
            for place, step in enumerate(row.steps, 1)
        ],
        "changes": changes(row),
    }


def _step_json(step: TrajectoryStep) -> dict[str, Any]:
    recipe = step.recipe
    return {
        "level": step.level,
        "error": step.error,
        "recipe_digest": step.record.name,
        "image_sha256": step.record.image_sha256,
        "objective": step.record.objective,
        "direction": recipe.direction,
        "strength": recipe.strength,
        "noise": recipe.noise,
        "settings": dict(recipe.settings),
        "scores": dict(step.record.scores),
        "read": {name: dict(scores) for name, scores in step.read.items()},
        "lowlevel": dict(step.record.lowlevel),
        "scene": dict(step.scene),
    }


def trajectory_document(findings: TrajectoryFindings) -> Document:
    """Write the report of trajectories."""
    request, total = findings.request, len(findings.trajectories)
    headline, scenes = findings.headline, len(request.prompts) * len(request.seeds)
    return Document(
        title="Trajectories",
        mode="exploratory",
        mode_text="The guide chose these pictures: only a reader that took no part says whether they rise.",
        answers=(headline[0],),
        lead=(
            f"{request.generator}: {', '.join(request.targets)} in {scenes} "
            f"scene{'' if scenes == 1 else 's'}. {' '.join(headline[1:])} {LOOK}"
        ),
        key_numbers=(
            KeyNumber("reached", percent(findings.reached / total), f"{findings.reached} of {total}"),
            *_judged(findings),
        ),
        sections=(
            *(_section(row, number) for number, row in enumerate(findings.trajectories, 1)),
            _methods(findings),
        ),
    )


def _judged(findings: TrajectoryFindings) -> list[KeyNumber]:
    numbers = []
    for reader in findings.readers:
        rises = [row.course(reader.name)["monotone"] for row in findings.trajectories if row.steps]
        if reader.role == "judge" and rises:
            note = f"trajectories that rise, as read by {reader.name}"
            numbers.append(KeyNumber("judged monotone", percent(sum(rises) / len(rises)), note))
    return numbers


def _section(row: FoundTrajectory, number: int) -> Section:
    title = f"{number}. {row.target}: {row.prompt}, seed {row.seed}"
    drawn = f"{len(row.sought.pool.scores)} pictures were drawn."
    if not row.steps:
        return Section(title, paragraphs=(*row.sought.sentences, drawn))
    people = () if row.people is None else (row.people.sentence,)
    spacing = "Every level has its picture." if row.sought.reached else " ".join(row.sought.sentences)
    return Section(
        title,
        paragraphs=(f"{spacing} {drawn}", *people),
        figures=(
            Picture(f"strip-{number}", "Pictures by level; the guide’s score below, a star where it misses."),
            Picture(
                f"course-{number}",
                "Score against step by reader, each on its own scale; the dotted line shows the levels.",
            ),
            Picture(f"others-{number}", "The guide’s scores of all targets."),
        ),
        tables=(_changes_table(row),),
    )


def _changes_table(row: FoundTrajectory) -> Table:
    rows = []
    for place, change in enumerate(changes(row), 1):
        off = ", ".join(f"{name} {signed(value)}" for name, value in change["off_target"].items())
        said = "; ".join(change["said"]) or ("nothing it names" if row.people else "")
        ssim = "" if change["ssim"] is None else f"{change['ssim']:.2f}"
        rows.append((f"{place} → {place + 1}", f"{change['rms']:.3f}", ssim, off, said))
    header = ("step", "RMS difference", "SSIM", "other targets", "what a reader names")
    return Table(header, tuple(rows), text=(0, 3, 4), wrapped=(3, 4))


def _methods(findings: TrajectoryFindings) -> Section:
    request = findings.request
    settings = request.settings
    facts: list[tuple[str, str]] = [
        ("generator", f"{request.generator} (digest {findings.provenance['generator']['digest'][:16]}…)"),
        ("pushes that find the range", ", ".join(f"±{value:g}" for value in settings.strengths)),
        ("guidance to a level", f"strength {settings.level_strength:g}, alpha-bar {_span(settings.window)}"),
        ("noises", str(settings.noises)),
        ("budget", f"{settings.budget} pictures for one trajectory"),
        *((reader.role, reader.name) for reader in findings.readers),
        *_targets(findings.provenance),
    ]
    return Section(
        "How it was done",
        paragraphs=(
            "Pushes by strength find the range of the score. Then pictures are guided to each level that no "
            "picture meets, from further noises of the same layout, and equally spaced levels that cover "
            f"{percent(settings.span)} of the range or more are laid through the scores that are there.",
        ),
        tables=(Table(("what", "value"), tuple(facts), text=(0, 1), wrapped=(1,)),),
    )


def _span(window: tuple[float, float]) -> str:
    return f"{window[0]:g} to {window[1]:g}"


def _targets(provenance: Mapping[str, Any]) -> list[tuple[str, str]]:
    return [(f"target {name}", f"digest {digest[:16]}…") for name, digest in provenance["targets"].items()]
