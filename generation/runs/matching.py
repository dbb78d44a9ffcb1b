"""Selecting the pairs of a matched set, drawing more images for it while that helps."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from almond.balance.equivalence import balance_tests
from almond.balance.nuisance_classifier import nuisance_accuracy
from almond.errors import InputError
from almond.pictures.reading import read_image
from almond.progress import Part, Progress
from almond.stimuli.likeness import measure_likeness
from almond.stimuli.lowlevel import NAMES
from almond.stimuli.matching import MatchedPairs, choose_pairs
from almond.stimuli.pairing.feasibility import feasibility_curves
from almond.stimuli.pairing.growing import GrownPool, grow_pool
from almond.stimuli.pairing.readings import missed_by_readers, readers_advice
from almond.stimuli.pairing.yardsticks import JUDGE, LIKENESS, PEOPLE, QUALITY, held_columns, same_columns
from almond.stimuli.people import read_people
from almond.stimuli.quality import flaws, measure_quality
from encoder.models import Target
from encoder.runs.features import load_features
from generation import services
from generation.models import MatchedSet, Stimulus
from generation.runs.images import make_missing
from jobs.services.execution import RunningJob

BATCH = 8
"""Images whose features are computed together."""

FEWEST_THEMES = 3
"""With fewer themes none can be held out, and there is no classifier."""


def match(job: RunningJob) -> dict[str, Any]:
    """Select the pairs of a matched set from all images of its batches that nobody rejected.

    Where the set has a budget, rounds of further seeds are drawn until both yardsticks hold. A job that was
    killed goes on in the round that it was in: rounds are rows, and images that were made are found again.
    """
    matched = MatchedSet.objects.get(pk=job.arguments["matched_set"])
    job.report(0.0, "reading the pool")
    drawn = services.own_batch(matched)
    if drawn is not None:
        make_missing(job, drawn, Part(job, 0.0, 0.1))
    grown = _grow(job, matched, Part(job, 0.1, 0.8))
    found = grown.pairs.to_json()
    services.keep_pairs(
        matched_set=matched,
        pairs=[
            (row["base_scene"], row["intended_target"], int(row["high"]), int(row["low"]))
            for row in found["pairs"]
        ],
        balance=found["balance"],
        reached=found["reached"],
        kept=found["kept"],
        matched=found["matched"],
        checks=_checks(matched, grown, Part(job, 0.8, 1.0)),
        by=job.job.requested_by,
    )
    return {
        "pairs": len(found["pairs"]),
        "matched": found["matched"],
        "pictures": len(grown.pool),
        "reached": found["reached"],
    }


def _grow(job: RunningJob, matched: MatchedSet, progress: Progress) -> GrownPool:
    judged = matched.scored_by == Target.Role.JUDGE
    known: set[int] = set()

    def rows_of(part: Progress) -> pd.DataFrame:
        """Tabulate the images that are not in the pool yet."""
        images = [row for row in pool_images(matched) if row.pk not in known]
        measure_missing(matched, images, part)
        known.update(row.pk for row in images)
        return pool_of(images, judged=judged) if images else pd.DataFrame()

    def draw(number: int, part: Progress) -> pd.DataFrame:
        batch = services.add_round(matched_set=matched, by=job.job.requested_by)
        job.log(f"round {number}: {services.round_size(matched)} images more")
        make_missing(job, batch, Part(part, 0.0, 0.9))
        return rows_of(Part(part, 0.9, 1.0))

    pool = rows_of(progress)
    if pool.empty:
        raise InputError("stimulus pool", "is empty", "batches whose images have been made")
    grown = grow_pool(
        pool,
        draw,
        choose=lambda table, part: pairs_of(matched, table, part),
        budget=matched.budget or 0,
        round_pictures=lambda number: services.round_size(matched),
        progress=progress,
    )
    for row in grown.rounds:
        job.log(row.words())
    return grown


def pairs_of(matched: MatchedSet, pool: pd.DataFrame, progress: Progress) -> MatchedPairs:
    """Choose pairs by the settings of a set."""
    return choose_pairs(
        pool,
        tolerance=matched.tolerance,
        paired=matched.paired,
        features=held_columns(matched.held),
        off_target="off_target" in matched.held,
        same=same_columns(matched.held),
        scenes=matched.scenes,
        progress=progress,
    )


def _checks(matched: MatchedSet, grown: GrownPool, progress: Progress) -> dict[str, Any]:
    """Test equivalence, try to tell directions by what is held and, where a yardstick is missed, say why."""
    held = held_columns(matched.held)
    curves = []
    missed = grown.pairs.missed
    by_readers = missed_by_readers(grown.pairs.balance, missed)
    if set(missed) - set(by_readers):
        curves = list(
            feasibility_curves(
                grown.pool,
                yardsticks=matched.yardsticks,
                features=held,
                off_target="off_target" in matched.held,
                same=same_columns(matched.held),
                scenes=matched.scenes,
                progress=progress,
            )
        )
    return {
        "ended": grown.ended,
        "pictures": len(grown.pool),
        "alike": grown.pairs.alike_shares if PEOPLE in matched.held else {},
        "rounds": [row.to_json() for row in grown.rounds],
        "equivalence": [
            row.to_json() for row in balance_tests(grown.pairs.to_json()["balance"], matched.yardsticks)
        ],
        "classifier": _classifier(grown, held, matched.pk),
        "curves": [curve.to_json() for curve in curves],
        "advice": [
            *(curve.advice() for curve in curves if curve.target not in by_readers),
            *readers_advice(grown.pairs.balance, missed),
        ],
    }


def _classifier(grown: GrownPool, held: Sequence[str], seed: int) -> dict[str, Any] | None:
    """Classify directions of the chosen pictures, themes held out; None with too few themes."""
    table = grown.pool.set_index("stimulus_id")
    pairs = grown.pairs.pairs
    themes = table.loc[pairs["high"], "theme"].astype(str).to_list()
    if len(set(themes)) < FEWEST_THEMES:
        return None
    sides = [table.loc[pairs[side], list(held)].to_numpy(dtype=np.float64) for side in ("high", "low")]
    return nuisance_accuracy(sides[0], sides[1], themes, seed=seed).to_json()


def pool_images(matched: MatchedSet) -> list[Stimulus]:
    """List the images of a set's batches, without those that a person rejected for it."""
    rejected = matched.screenings.filter(accepted=False).values("stimulus")
    images = Stimulus.objects.filter(batches__in=matched.batches.all()).exclude(pk__in=rejected)
    return list(images.distinct().order_by("pk"))


def measure_missing(matched: MatchedSet, images: Sequence[Stimulus], progress: Progress) -> None:
    """Measure quality and flaws of images that lack them, and people and likeness where the set holds them.

    Each is stored at once. :raises InputError: a scene whose unguided image does not exist.
    """
    missing = [row for row in images if not set(QUALITY) <= set(row.measures)]
    for number, row in enumerate(missing):
        progress.report(0.3 * number / len(missing), f"quality of {len(missing)} images")
        picture = read_image(row.path, name=str(row))
        row.measures = {**row.measures, **measure_quality(picture), "flaws": list(flaws(picture))}
        services.keep_measures(stimulus=row, measures=row.measures)
    if PEOPLE in matched.held:
        _measure_people([row for row in images if PEOPLE not in row.measures])
    if "likeness" in matched.held:
        unlike = [row for row in images if not set(LIKENESS) <= set(row.measures)]
        _measure_likeness(matched, unlike, Part(progress, 0.3, 1.0))


def _measure_people(images: Sequence[Stimulus]) -> None:
    """Read who is in scenes of the simulated world, by the network whose values guided them."""
    for start in range(0, len(images), BATCH):
        members = images[start : start + BATCH]
        words = read_people([read_image(row.path, name=str(row)) for row in members])
        for row, word in zip(members, words, strict=True):
            row.measures = {**row.measures, PEOPLE: word}
            services.keep_measures(stimulus=row, measures=row.measures)


def _measure_likeness(matched: MatchedSet, images: Sequence[Stimulus], progress: Progress) -> None:
    """Measure pictures against the base of their scene, ``BATCH`` at a time, by the guides' network."""
    if not images:
        return
    scenes = {row.base_scene for row in images}
    bases = {row.base_scene: row for row in Stimulus.objects.bases().filter(base_scene__in=scenes)}
    lacking = sorted(scenes - set(bases))
    if lacking:
        raise InputError("stimulus pool", f"has no unguided image of {lacking[0]}", "the base of every scene")
    guides = (batch.guides().first() for batch in matched.batches.all())
    target = next((guide for guide in guides if guide is not None), None)
    if target is None:
        raise InputError("stimulus pool", "was guided by targets that are gone", "targets that exist")
    space = load_features(target.encoder.feature_space)
    for start in range(0, len(images), BATCH):
        members = images[start : start + BATCH]
        progress.report(start / len(images), f"likeness of {len(images)} images to their base")
        pictures = [read_image(row.path, name=str(row)) for row in members]
        unguided = [read_image(bases[row.base_scene].path) for row in members]
        features = space.extract([*pictures, *unguided])
        for place, row in enumerate(members):
            own, base = features[place], features[len(members) + place]
            likeness = measure_likeness(pictures[place], unguided[place], own, base)
            row.measures = {**row.measures, **likeness}
            services.keep_measures(stimulus=row, measures=row.measures)


def pool_of(images: Iterable[Stimulus], *, judged: bool) -> pd.DataFrame:
    """Tabulate the images to match, one row each.

    ``score_<target>``: by those that choose, judges if ``judged``; otherwise judges' scores stand beside
    them as ``score_<target>_judge``.
    """
    rows = [_pool_row(image, judged) for image in images]
    if not rows:
        raise InputError("stimulus pool", "is empty", "batches whose images have been made")
    return pd.DataFrame(rows)


def _pool_row(image: Stimulus, judged: bool) -> dict[str, Any]:
    by_judges = {name: value for name, value in image.scores.items() if name.endswith(JUDGE)}
    by_guides = {name: value for name, value in image.scores.items() if name not in by_judges}
    chosen: Mapping[str, float] = (
        {name.removesuffix(JUDGE): value for name, value in by_judges.items()}
        if judged
        else {**by_guides, **by_judges}
    )
    return {
        "stimulus_id": image.pk,
        "image_sha256": image.digest,
        "base_scene": image.base_scene,
        "theme": image.theme,
        "intended_target": image.intended_target,
        "direction": image.direction,
        "strength": image.strength,
        **{f"score_{name}": value for name, value in chosen.items()},
        **{name: image.lowlevel[name] for name in NAMES},
        **{name: value for name, value in image.measures.items() if name != "flaws"},
    }
