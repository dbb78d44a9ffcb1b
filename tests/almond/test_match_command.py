"""``python -m almond match``: pairs of a folder of generated images, without a database."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
import yaml

from almond.chain.match import MatchingRequest, match_pool, matching_sentences, read_pool
from almond.cli.main import main
from almond.encoding.features.kinds.world import open_world
from almond.progress import Silent
from almond.stimuli.matching import choose_pairs
from almond.stimuli.pairing.yardsticks import held_columns
from almond.targets.target import Target, save_target


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Generated images of two prompts, two seeds, two targets, both directions and two strengths."""
    torch.set_num_threads(1)
    folder, space = tmp_path_factory.mktemp("matching"), open_world()
    rng = np.random.default_rng(1)
    for name in ("LB", "CM", "LB_judge", "CM_judge"):
        weights = rng.standard_normal(space.dimension)
        save_target(folder / "targets", Target(name, weights, 0.0, 10.0, space.digest, ("0" * 64,)))
    values = {
        "features": {"kind": "world"},
        "target_folder": "targets",
        "targets": ["LB", "CM"],
        "judges": ["LB_judge", "CM_judge"],
        "prompts": ["a street at night", "a room"],
        "seeds": [3, 4],
        "strengths": [0.1, 0.2],
        "steps": 3,
        "window": [0.0, 0.9],
        "output": "made",
    }
    path = folder / "generate.yaml"
    path.write_text(yaml.safe_dump(values))
    assert main(["generate", str(path), "--json"]) == 0
    return path


def test_pairs_are_those_of_the_library_on_what_lies_in_the_folder(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ["match", str(config), "--tolerance", "3", "--paired", "50", "--json"]
    capsys.readouterr()
    assert main(asked) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["matched"]
    pool = read_pool(config.parent / "made", open_world())
    assert len(pool) == 4 * (1 + 2 * 2 * 2)
    expected = choose_pairs(
        pool,
        tolerance=3.0,
        paired=50.0,
        features=held_columns(("lowlevel", "quality", "likeness", "off_target")),
        off_target=True,
    )
    written = pd.read_csv(config.parent / "made" / "matching" / "pairs.csv")
    assert written[["high", "low"]].to_numpy().tolist() == expected.pairs[["high", "low"]].to_numpy().tolist()
    directions = pool.set_index("stimulus_id")["direction"]
    assert (directions[written["high"]] == 1).all()
    assert (directions[written["low"]] == -1).all()
    assert {row["feature"] for row in result["balance"]} >= {"luminance", "sharpness", "similarity_to_base"}


def test_a_set_that_misses_is_said_to(
    config: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    capsys.readouterr()
    asked = ["match", str(config), "--tolerance", "0.001", "--held", "lowlevel", "--out", str(tmp_path)]
    assert main(asked) == 0
    said = capsys.readouterr().out
    assert "Not matched for" in said
    assert "bounds 0.001 SD and d_z 0.3" in said
    assert json.loads((tmp_path / "matching.json").read_text())["matched"] is False


def test_a_matched_set_is_said_to_be_one(config: Path) -> None:
    pool = read_pool(config.parent / "made", open_world())
    matched = match_pool(pool, MatchingRequest(3.0, np.inf, ("lowlevel",)), Silent())
    result = {**matched.to_json(), "worst": list(matched.worst)}
    assert "Matched for CM, LB" in matching_sentences(result)[0]


def test_one_changed_byte_is_found_and_a_folder_without_base_is_named(
    config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    changed = {"base": False, "output": str(tmp_path / "bare"), "seeds": [3]}
    other = config.with_name("bare.yaml")
    other.write_text(yaml.safe_dump({**yaml.safe_load(config.read_text()), **changed}))

    def error_of(*words: str) -> str:
        capsys.readouterr()
        assert main([*words]) == 1
        return capsys.readouterr().err

    assert "generation.json: cannot be read" in error_of("match", str(other))
    assert main(["generate", str(other), "--json"]) == 0
    assert "has no unguided image of a-room-3" in error_of("match", str(other))
    picture = next((tmp_path / "bare" / "images").glob("*.png"))
    picture.write_bytes(picture.read_bytes()[:-1] + b"x")
    assert picture.name in error_of("match", str(other))
