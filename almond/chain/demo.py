"""The whole chain in one process, on a world whose truth is known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from almond.chain.draw import Pool, draw_pool, heldout_shifts, match, on_and_off
from almond.chain.encode import Encoders, Targets, fit_brains, make_targets
from almond.chain.plan import demo_plan
from almond.chain.settings import DemoSettings
from almond.chain.study import check_and_analyse, export_study, hold_study
from almond.encoding.features.kinds.world import open_world
from almond.guidance.backends.load import load_generator
from almond.progress import Part, Progress
from almond.stimuli.matching import MatchedPairs
from almond.world.null_forms import NullWorld


@dataclass(frozen=True)
class Stimuli:
    """Everything before the first response; the same for the null world."""

    encoders: Encoders
    targets: Targets
    pool: Pool
    pairs: MatchedPairs


def prepare(settings: DemoSettings, folder: Path, progress: Progress) -> Stimuli:
    """Make BOLD, encoders, targets, images and matched pairs."""
    encoders = fit_brains(settings, folder, Part(progress, 0.0, 0.3))
    space = open_world()
    targets = make_targets(settings, encoders, space, folder / "targets")
    pool = draw_pool(
        settings,
        load_generator(settings.generator),
        space,
        guides=targets.guides,
        judges=targets.judges,
        progress=Part(progress, 0.3, 0.95),
    )
    pairs = match(pool, Part(progress, 0.95, 1.0), scenes=settings.scenes_kept)
    return Stimuli(encoders, targets, pool, pairs)


def run_study(settings: DemoSettings, stimuli: Stimuli, export: Path, progress: Progress) -> dict[str, Any]:
    """Run study, export, verification and analysis, and return the demonstration's result."""
    plan = demo_plan(settings, stimuli.pool, stimuli.pairs.pairs)
    tables = hold_study(settings, plan, stimuli.pool, Part(progress, 0.0, 0.2))
    export_study(
        export,
        settings,
        plan,
        stimuli.pool,
        tables,
        target_folder=stimuli.targets.folder,
        artifact_root=stimuli.encoders.root,
        score_targets=stimuli.targets.digests,
    )
    result = check_and_analyse(export, Part(progress, 0.2, 1.0))
    return demo_summary(settings, stimuli, result.summary)


def demo_summary(
    settings: DemoSettings, stimuli: Stimuli, analysed: Mapping[str, float | None]
) -> dict[str, Any]:
    """Return one flat object: sizes, held-out r, shifts of scores, and the results of the analysis."""
    shifts = heldout_shifts(stimuli.pool, stimuli.pairs)
    on, off = on_and_off(shifts)
    balance, balance_dz = stimuli.pairs.worst
    return {
        "seed": settings.seed,
        "null": settings.null != "none",
        "null_form": None if settings.null == "none" else settings.null,
        "participants": settings.participants,
        "scenes": len(stimuli.pool.bases),
        "images": len(stimuli.pool.table),
        "pairs": len(stimuli.pairs.pairs),
        "heldout_r": stimuli.encoders.heldout_r,
        "on_target_shift": on,
        "off_target_shift": off,
        "shifts": shifts,
        "matched": stimuli.pairs.is_matched,
        "balance": balance,
        "balance_dz": balance_dz,
        **analysed,
    }


def run_demo(settings: DemoSettings, folder: Path, *, progress: Progress) -> dict[str, Any]:
    """Run from BOLD to evidence in ``folder``; everything that was made stays there."""
    stimuli = prepare(settings, folder, Part(progress, 0.0, 0.75))
    return run_study(settings, stimuli, folder / "export", Part(progress, 0.75, 1.0))


def run_worlds(
    settings: DemoSettings, folder: Path, nulls: Sequence[NullWorld], *, progress: Progress
) -> list[dict[str, Any]]:
    """Run several worlds with the same brains and images: the world itself is ``none`` of the nulls."""
    stimuli = prepare(settings, folder, Part(progress, 0.0, 0.6))
    return [
        run_study(
            replace(settings, null=null),
            stimuli,
            folder / export_name(null),
            Part(progress, 0.6 + 0.4 * number / len(nulls), 0.6 + 0.4 * (number + 1) / len(nulls)),
        )
        for number, null in enumerate(nulls)
    ]


def export_name(null: NullWorld) -> str:
    return {"none": "export", "independent": "export-null"}.get(null, f"export-null-{null}")


def run_both(settings: DemoSettings, folder: Path, *, progress: Progress) -> list[dict[str, Any]]:
    """Run the world and its independent null, with the same people and images."""
    return run_worlds(settings, folder, ("none", "independent"), progress=progress)
