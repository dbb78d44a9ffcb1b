"""The section ``validation`` of a configuration: everything wrong at once, each with its path."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from almond.encoding.config.validation import ValidationSettings
from almond.norms.validate import settings_json
from tests.almond.sections import section_of


@pytest.fixture
def base(tmp_path: Path) -> Path:
    (tmp_path / "pictures").mkdir()
    (tmp_path / "norms.csv").write_text("image,valence,arousal\n")
    (tmp_path / "features.npz").write_bytes(b"")
    return tmp_path


def parsed(base: Path, value: Any) -> tuple[ValidationSettings | None, list[str]]:
    return section_of(base, validation=value)


def test_absent_is_none_and_defaults_are_those_documented(base: Path) -> None:
    assert parsed(base, None) == (None, [])
    found, problems = parsed(base, {"sets": {"own": {"images": "pictures", "norms": "norms.csv"}}})
    assert problems == []
    assert found is not None
    assert found.sets["own"].images == base / "pictures"
    assert (found.low_level, found.deciles, found.neutral, found.alpha) == ("default", 10, 1.0, 0.005)
    assert (found.decile_edges, found.outcome, found.voxelwise, found.seed) == ("default", "z", True, 0)


def test_the_old_word_for_the_defaults_is_read_and_stored(base: Path) -> None:
    sets = {"own": {"images": "pictures", "norms": "norms.csv"}}
    old = parsed(base, {"sets": sets, "low_level": "sound", "decile_edges": "sound"})[0]
    assert old == parsed(base, {"sets": sets})[0]
    assert old is not None
    assert (settings_json(old)["low_level"], settings_json(old)["decile_edges"]) == ("sound", "sound")


def test_every_error_at_once_with_its_path(base: Path) -> None:
    found, problems = parsed(
        base,
        {
            "sets": {"own": {"images": "nowhere", "norms": "norms.csv", "repeated": "twice"}, "other": 3},
            "features": "gone.csv",
            "regions": ["LB", "LB"],
            "control": "VC",
            "subregions": ["LB"],
            "low_level": "loud",
            "decile_edges": "round",
            "outcome": "t",
            "deciles": 2,
            "neutral": 0,
            "alpha": 1,
            "voxelwise": "yes",
            "permutations": -1,
            "seed": 0.5,
            "color": "blue",
        },
    )
    assert found is None
    paths = {problem.split(":")[0] for problem in problems}
    assert paths == {
        f"validation.{name}"
        for name in (
            "color",
            "features",
            "sets.own.images",
            "sets.own.repeated",
            "sets.other",
            "regions",
            "control",
            "subregions",
            "low_level",
            "decile_edges",
            "outcome",
            "deciles",
            "neutral",
            "alpha",
            "voxelwise",
            "permutations",
            "seed",
        )
    }


def test_images_may_be_missing_only_where_nothing_needs_them(base: Path) -> None:
    given = {"norms": "norms.csv", "features": "features.npz"}
    found, problems = parsed(base, {"sets": {"own": given}, "low_level": "none"})
    assert problems == []
    assert found is not None
    assert found.sets["own"].images is None
    assert parsed(base, {"sets": {"own": given}})[1] == ["validation.sets.own.images: is missing"]
    shared = {"sets": {"own": {"norms": "norms.csv"}}, "features": "features.npz", "low_level": "none"}
    found, problems = parsed(base, shared)
    assert found is not None
    assert found.sets["own"].features == base / "features.npz"


@pytest.mark.parametrize("value", [3, [], {"sets": {}}, {}])
def test_what_is_no_section(base: Path, value: Any) -> None:
    found, problems = parsed(base, value)
    assert found is None
    assert problems


def test_the_parser_loads_nothing_heavy() -> None:
    code = (
        "import sys, almond.encoding.config.validation\n"
        "heavy = {'torch', 'nibabel', 'scipy', 'sklearn', 'himalaya', 'h5py', 'av', 'matplotlib'}\n"
        "sys.exit(str(heavy & set(sys.modules)) if heavy & set(sys.modules) else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
