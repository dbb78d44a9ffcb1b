"""The whole chain in one process, small: what it prints, what it leaves, and what it leaves out."""

from __future__ import annotations

import argparse
import contextlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from almond.analysis.analyse import rounded
from almond.analysis.study_data import read_study
from almond.chain.demo import export_name, run_both
from almond.chain.draw import on_and_off
from almond.chain.settings import DemoSettings
from almond.chain.study import null_facts
from almond.cli.demo import configure
from almond.cli.main import main
from almond.errors import InputError
from almond.evidence.verify import first_broken, verify
from almond.exchange.layout import table_path
from almond.progress import Silent
from almond.world import lab
from almond.world.null_forms import NULL_WORLDS
from benchmarks.nulls import null_study, planned_p, unguided_pool

SMALL = DemoSettings(
    seed=5,
    participants=16,
    subjects=4,
    volumes=200,
    prompts=lab.PROMPTS[:4],
    reference_scenes=120,
    permutations=199,
)
KEYS = {
    "heldout_r",
    "on_target_shift",
    "off_target_shift",
    "accuracy",
    "chance",
    "p",
    "choice_alignment",
    "choice_p",
}


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any], dict[str, Any]]:
    folder = tmp_path_factory.mktemp("demo")
    with contextlib.chdir(folder.parent):  # as ``--keep demo``: the folder is a relative path
        world, null = run_both(SMALL, Path(folder.name), progress=Silent())
    return folder, world, null


def test_the_result_holds_every_figure(both: tuple[Path, dict[str, Any], dict[str, Any]]) -> None:
    _, world, null = both
    for found in (world, null):
        assert set(found) >= KEYS
        assert json.loads(json.dumps(found)) == found
        assert set(found["heldout_r"]) == set(lab.REGIONS)
    assert all(0.05 < r < 0.95 for r in world["heldout_r"].values())


def test_guidance_moves_the_intended_region_for_subjects_that_did_not_guide(
    both: tuple[Path, dict[str, Any], dict[str, Any]],
) -> None:
    _, world, null = both
    assert world["on_target_shift"] > 0.5
    assert world["on_target_shift"] - world["off_target_shift"] > 0.5
    # The null world changes judgements, never brains or images.
    assert null["shifts"] == world["shifts"]


def test_choices_follow_the_manipulation_only_in_the_world(
    both: tuple[Path, dict[str, Any], dict[str, Any]],
) -> None:
    _, world, null = both
    assert world["choice_alignment"] > 0.65
    assert abs(null["choice_alignment"] - 0.5) < 0.15
    assert world["accuracy"] > null["accuracy"]
    assert (world["null"], world["null_form"]) == (False, None)
    assert (null["null"], null["null_form"]) == (True, "independent")


def test_a_null_world_needs_no_guided_images(
    both: tuple[Path, dict[str, Any], dict[str, Any]],
) -> None:
    """``benchmarks.nulls`` draws none: every answer, and so every p, is that of the whole demonstration."""
    folder, _, whole = both
    settings = replace(SMALL, null="independent")
    pool = unguided_pool(settings)
    study = null_study(settings, pool)
    export = read_study(folder / "export-null")
    unguided = export.stimuli[export.stimuli["direction"] == 0]
    digests = dict(zip(unguided["stimulus_id"], unguided["image_sha256"], strict=True))
    assert digests == dict(zip(pool.table["stimulus_id"], pool.table["image_sha256"], strict=True))
    for name, answer in (
        ("ratings", ["construct", "value"]),
        ("choices", ["high_side", "chosen", "aligned"]),
    ):
        columns = ["participant_id", "trial_index", "theme", *answer, "rt_ms"]
        here, there = (
            table[columns].sort_values(columns).reset_index(drop=True)
            for table in (getattr(study.data, name), getattr(export, name))
        )
        pd.testing.assert_frame_equal(here, there, check_dtype=False, check_exact=True)
    assert rounded([planned_p(study, name) for name in ("classification", "choices")]) == [
        whole["p"],
        whole["choice_p"],
    ]


def test_both_exports_verify_and_a_changed_image_is_named(
    both: tuple[Path, dict[str, Any], dict[str, Any]], capsys: pytest.CaptureFixture[str]
) -> None:
    folder, _, _ = both
    export = folder / "export"
    assert first_broken(verify(export, bold=folder / "bids")) is None
    assert first_broken(verify(folder / "export-null")) is None
    image = export / pd.read_csv(table_path(export, "stimuli"))["file"].iloc[3]
    whole = image.read_bytes()
    image.write_bytes(whole[:-20] + bytes([whole[-20] ^ 1]) + whole[-19:])
    try:
        assert main(["verify", str(export)]) == 1
    finally:
        image.write_bytes(whole)
    assert image.name in capsys.readouterr().out


def test_exports_say_of_which_null_world_they_are() -> None:
    assert null_facts("none") == {"null_world": False}
    assert null_facts("structured") == {"null_world": True, "null_form": "structured"}
    assert [export_name(null) for null in NULL_WORLDS] == ["export", "export-null", "export-null-structured"]


@pytest.mark.parametrize(
    ("words", "null"),
    [([], "none"), (["--null"], "independent"), (["--null", "structured"], "structured")],
)
def test_the_null_world_is_named_in_the_command(words: list[str], null: str) -> None:
    parser = argparse.ArgumentParser()
    configure(parser)
    assert parser.parse_args(["--seed", "3", *words]).null == null


def test_on_and_off_average_over_targets() -> None:
    shifts = {"A": {"A": 2.0, "B": 0.5}, "B": {"A": -0.5, "B": 1.0}}
    assert on_and_off(shifts) == (1.5, 0.0)


def test_sizes_that_cannot_work_are_refused() -> None:
    with pytest.raises(InputError, match="--participants: is 2"):
        DemoSettings(participants=2)


def test_a_folder_with_something_in_it_is_not_written_into(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "mine.txt").write_text("kept")
    assert main(["demo", "--keep", str(tmp_path)]) == 1
    assert "is not empty" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]
