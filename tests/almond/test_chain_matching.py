"""Who is in a picture, what the demonstration's pairs are held to, and the figures of the benchmark."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from almond.chain.draw import Pool, held_groups, match
from almond.chain.match import MatchingRequest, match_pool
from almond.chain.settings import DemoSettings, matched_sizes
from almond.errors import InputError
from almond.progress import Silent
from almond.rng import generator
from almond.stimuli.matching import MatchedPairs
from almond.stimuli.pairing.yardsticks import (
    PEOPLE,
    check_groups,
    held_columns,
    same_columns,
)
from almond.stimuli.people import read_people
from almond.world import lab
from almond.world.scenes import draw_scene, render_many
from benchmarks.guidance import distilled
from benchmarks.guidance_matching import judged_contrasts, matching_figures, worst_by_group

SCENES, VARIANTS = 6, 3
KEPT = ("quality", "likeness")
WORDS = ["nobody", "group", "nobody"]


def like(*key: object) -> float:
    """One normal value for a scene and variant, so that a pair of one variant differs in nothing held."""
    return float(generator(4, *map(str, key)).normal())


@pytest.fixture(scope="module")
def pool() -> Pool:
    """Scenes of the world in place of guided ones; what is held depends on scene and variant alone."""
    rng = generator(4, "chain matching")
    rows: list[dict[str, object]] = []
    for target, scene, direction, variant in itertools.product(
        lab.TARGETS, range(SCENES), (1, -1), range(VARIANTS)
    ):
        own = {
            name: direction * float(rng.uniform(0.5, 2.0)) if name == target else like(scene, variant, name)
            for name in lab.TARGETS
        }
        rows.append(
            {
                "stimulus_id": f"s{len(rows):03d}",
                "image_sha256": f"{len(rows):064d}",
                "base_scene": f"scene {scene}",
                "theme": f"theme {scene % 3}",
                "intended_target": target,
                "direction": direction,
                **{f"score_{name}": value for name, value in own.items()},
                **{f"score_{name}_judge": 0.8 * value for name, value in own.items()},
                **{name: like(scene, variant, name) for name in held_columns(["lowlevel", *KEPT])},
            }
        )
    table = pd.DataFrame(rows)
    drawn = [
        draw_scene(rng, {"presence": WORDS[number % VARIANTS], "light": "bright", "distance": "near"})
        for number in range(len(table))
    ]
    images = dict(zip(table["stimulus_id"], render_many(drawn), strict=True))
    held = table.set_index("stimulus_id")[list(held_columns(KEPT))].copy()
    table = table.drop(columns=list(held_columns(KEPT)))
    held[PEOPLE] = read_people(list(images.values()))
    return Pool(table, images, {}, {}, held)


def test_people_are_read_in_drawn_scenes_by_either_network(pool: Pool) -> None:
    """The truth is known: the variants of a scene show nobody, a group and nobody."""
    truth = WORDS * (len(pool.table) // VARIANTS)
    assert np.mean(pool.held[PEOPLE].to_numpy() == truth) > 0.95
    some = list(pool.images.values())[:20]
    assert np.mean(np.array(read_people(some, "judge")) == truth[:20]) > 0.9
    assert read_people([]) == []


@pytest.fixture(scope="module")
def found(pool: Pool) -> MatchedPairs:
    return match(pool, Silent(), scenes=4)


def test_the_demonstrations_pairs_are_held_to_every_group_and_show_the_same_people(
    pool: Pool, found: MatchedPairs
) -> None:
    assert held_groups(pool, scenes=4) == ("lowlevel", "quality", "likeness", "off_target", "people")
    # With every scene kept the pairs' scenes are known before a guided picture is drawn.
    assert held_groups(pool, scenes=None) == ("lowlevel", "quality", "likeness", "off_target")
    people = pool.held[PEOPLE]
    assert (people.loc[found.pairs["high"]].to_numpy() == people.loc[found.pairs["low"]].to_numpy()).all()
    measured = found.balance.groupby("group")["feature"].nunique().to_dict()
    assert measured == {"lowlevel": 8, "quality": 3, "likeness": 3, "off_target": 4, "off_target_judged": 4}
    # What pairs are chosen for is the target's score alone: the others are held.
    scores = pool.table.set_index("stimulus_id")
    for target, rows in found.pairs.groupby("intended_target"):
        gap = scores.loc[rows["high"], f"score_{target}"].to_numpy()
        gap = gap - scores.loc[rows["low"], f"score_{target}"].to_numpy()
        np.testing.assert_allclose(rows["contrast"], gap)
    unread = Pool(pool.table, pool.images, {}, {}, pool.held.drop(columns=PEOPLE))
    assert held_groups(unread, scenes=4) == ("lowlevel", "quality", "likeness", "off_target")


def test_people_that_nothing_reads_cannot_be_held(pool: Pool) -> None:
    assert same_columns(["people", "lowlevel"]) == ("people",)
    assert same_columns(["lowlevel"]) == ()
    with pytest.raises(InputError, match="embedded generators alone"):
        match_pool(pool.table, MatchingRequest(held=("lowlevel", "people")), Silent())
    assert check_groups(["people", "quality"]) == ("quality", "people")


def test_the_benchmark_reads_its_figures_from_the_tables(pool: Pool, found: MatchedPairs) -> None:
    figures = matching_figures(pool, scenes=4)
    table = pool.table.join(pool.held, on="stimulus_id")
    assert figures["worst_balance_sd"] == pytest.approx(found.balance["after"].abs().max(), abs=1e-4)
    assert figures["worst_balance_dz"] == pytest.approx(found.balance["d_z"].abs().max(), abs=1e-4)
    judged = judged_contrasts(table, found.pairs, held=True)
    # Judges read .8 of what guides read.
    guided = found.pairs.groupby("intended_target")["contrast"].mean()
    assert judged == pytest.approx((0.8 * guided).to_dict())
    assert 0 < figures["contrast_kept"] <= 1
    assert figures["same_people"]["matched"] >= figures["same_people"]["unmatched"]
    worst = max(row["sd"] for row in worst_by_group(found).values())
    assert worst == pytest.approx(figures["worst_balance_sd"], abs=1e-3)


def test_what_distillation_kept_is_joined_from_its_report(tmp_path: Path) -> None:
    report = {"shift_kept": {"LB": 0.6, "CM": 0.4}, "speedup": 1.7}
    (tmp_path / "report.json").write_text(json.dumps(report))
    assert distilled(tmp_path) == {"lora_shift_kept": 0.5, "lora_speedup": 1.7}


def test_only_whole_demonstrations_have_a_pool_that_can_be_matched() -> None:
    assert (DemoSettings().seeds_per_prompt, DemoSettings().scenes_kept) == (1, None)
    sizes = matched_sizes(seed=7)
    assert sizes.seed == 7
    assert sizes.scenes_kept is not None
    assert sizes.scenes_kept < sizes.seeds_per_prompt * len(sizes.prompts)
