"""Verification: any changed byte is caught and named, and so is a chain that was rewritten to look whole."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from almond.cli.main import main
from almond.evidence.verify import Check, first_broken, not_known, verify
from almond.exchange.layout import table_path
from almond.exchange.manifest import NAME, manifest_bytes, seal
from almond.exchange.matching import Matching, matching_of
from tests.almond.small_export import CREATED, SmallStudy


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> SmallStudy:
    study = SmallStudy(tmp_path_factory.mktemp("study"))
    study.write()
    return study


@pytest.fixture
def folder(whole: SmallStudy, tmp_path: Path) -> Path:
    return Path(shutil.copytree(whole.root / "export", tmp_path / "export"))


def broken(folder: Path, bold: Path | None = None) -> Check:
    check = first_broken(verify(folder, bold=bold))
    assert check is not None
    return check


def test_a_whole_chain(whole: SmallStudy):
    checks = verify(whole.root / "export", bold=whole.bold)
    assert all(check.ok and check.count for check in checks)
    counts = {check.link: check.count for check in checks}
    assert counts["responses name the image that was seen"] == 48 + 2 * 12
    assert counts["files have their bytes"] == len(list((whole.root / "export").rglob("*.*"))) - 1


def matched(study: SmallStudy, **changes: Any) -> Matching:
    fields: dict[str, Any] = {
        "name": "pairs of a street",
        "frozen_at": CREATED,
        "scored_by": "guide",
        "tolerance": 0.1,
        "targets": {name: target.digest for name, target in study.targets.items()},
    }
    return Matching(**{**fields, **changes})


def with_matching(study: SmallStudy, folder: Path, matching: Matching) -> list[str]:
    """Put an entry of matching into the manifest of an export, sealed anew; return what is wrong with it."""
    manifest = json.loads((folder / NAME).read_bytes())
    facts = {name: value for name, value in manifest.items() if name not in ("files", "digest", "format")}
    sealed = seal(folder, {**facts, "matching": matching.to_json()})
    (folder / NAME).write_bytes(manifest_bytes(sealed))
    checks = verify(folder)
    problems = [problem for check in checks for problem in check.problems]
    return problems or not_known(folder, checks)


def test_the_manifest_tells_by_whose_scores_pairs_were_matched(whole: SmallStudy, folder: Path):
    assert with_matching(whole, folder, matched(whole)) == []
    assert matching_of(json.loads((folder / NAME).read_bytes())) == matched(whole)
    gone = with_matching(whole, folder, matched(whole, targets={"T0": "a" * 64}))
    assert gone[0] == "target aaaaaaaaaaaa…: is missing; the matching of pairs for T0 rests on it"
    assert "which is not that of column score_T0" in gone[1]
    strange = with_matching(whole, folder, matched(whole, targets={"T9": whole.targets["T0"].digest}))
    assert "tells of pairs for T9, of which the plan has none" in strange[0]


def test_judges_that_matched_the_pairs_are_named_as_what_cannot_be_known(whole: SmallStudy, folder: Path):
    said = with_matching(whole, folder, matched(whole, scored_by="judge", targets={}))
    assert said == [
        "Judges' scores selected the pairs: whether other weights agree, those judges cannot tell."
    ]


def test_one_changed_byte_in_any_file_is_caught_and_named(folder: Path):
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    assert len(paths) > 25
    for path in paths:
        data = path.read_bytes()
        for place in {0, len(data) // 2, len(data) - 1}:
            path.write_bytes(data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :])
            name = path.relative_to(folder).as_posix()
            assert name in broken(folder).problems[0], f"byte {place} of {name}"
        path.write_bytes(data)
    assert first_broken(verify(folder)) is None


def test_every_byte_of_the_manifest_and_of_an_image_counts(folder: Path):
    image = next((folder / "stimuli").iterdir())
    for path, step in ((folder / NAME, 31), (image, 5)):
        data = path.read_bytes()
        for place in range(0, len(data), step):
            path.write_bytes(data[:place] + bytes([data[place] ^ 32]) + data[place + 1 :])
            assert path.name in broken(folder).problems[0]
        path.write_bytes(data)


def test_the_responses_that_rest_on_a_changed_image_are_counted(whole: SmallStudy, folder: Path):
    stimulus = whole.plan.stimuli[0]
    shown = {row["response_id"] for row in whole.ratings if row["stimulus_id"] == stimulus.id}
    shown |= {
        r["response_id"] for r in whole.choices if stimulus.id in (r["left_stimulus"], r["right_stimulus"])
    }
    path = folder / "stimuli" / f"{stimulus.sha256}.png"
    path.write_bytes(path.read_bytes() + b"x")
    expected = f"stimuli/{path.name}: its bytes changed; {len(shown)} responses rest on it"
    assert broken(folder).problems == (expected,)


def test_a_changed_artifact_names_the_responses_of_its_target(whole: SmallStudy, folder: Path):
    path = folder / "artifacts" / whole.targets["T0"].sources[0] / "weights.npz"
    path.write_bytes(path.read_bytes()[:-1])
    half = (len(whole.ratings) // 2 + len(whole.choices)) // 2
    assert broken(folder).problems[0].endswith(f"its bytes changed; {half} responses rest on it")


def test_missing_and_added_files_are_named(folder: Path):
    image = next((folder / "stimuli").iterdir())
    image.unlink()
    (folder / "data" / "notes.txt").write_text("hello")
    problems = broken(folder).problems
    assert f"stimuli/{image.name}: is missing; 6 responses rest on it" in problems
    assert "data/notes.txt: was added after the export was written" in problems


def test_a_link_to_elsewhere_is_not_a_file(folder: Path, tmp_path: Path):
    image = next((folder / "stimuli").iterdir())
    image.rename(tmp_path / "elsewhere.png")
    image.symlink_to(tmp_path / "elsewhere.png")
    assert image.name in broken(folder).problems[0]


def test_without_a_manifest_nothing_else_is_looked_at(folder: Path):
    (folder / NAME).unlink()
    checks = verify(folder)
    assert "manifest.json: cannot be read" in checks[0].problems[0]
    assert not any(check.checked for check in checks[1:])


def reseal(folder: Path) -> None:
    """Rewrite the manifest so that every digest of a file fits again."""
    manifest = json.loads((folder / NAME).read_bytes())
    facts = {name: value for name, value in manifest.items() if name not in ("files", "digest", "format")}
    (folder / NAME).write_bytes(manifest_bytes(seal(folder, facts)))


def edit_table(name: str, change: Callable[[pd.DataFrame], pd.DataFrame | None]) -> Callable[[Path], None]:
    def edit(folder: Path) -> None:
        path = table_path(folder, name)
        frame = pd.read_csv(path, dtype=str, keep_default_na=False)
        changed = change(frame)
        (frame if changed is None else changed).to_csv(path, index=False, lineterminator="\n")

    return edit


def set_cell(name: str, column: str, value: str) -> Callable[[Path], None]:
    def change(frame: pd.DataFrame) -> None:
        frame.loc[0, column] = value

    return edit_table(name, change)


def swap_cells(name: str, column: str) -> Callable[[Path], None]:
    """Give the first row the value of the first row that has another."""

    def change(frame: pd.DataFrame) -> None:
        frame.loc[0, column] = frame[column][frame[column] != frame[column][0]].iloc[0]

    return edit_table(name, change)


def drop_row(name: str) -> Callable[[Path], None]:
    return edit_table(name, lambda frame: frame.drop(index=0))


def edit_json(pattern: str, **values: Any) -> Callable[[Path], None]:
    def edit(folder: Path) -> None:
        path = sorted(folder.glob(pattern))[0]
        content = {**json.loads(path.read_bytes()), **values}
        path.write_text(json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False))

    return edit


def remove(pattern: str) -> Callable[[Path], None]:
    def edit(folder: Path) -> None:
        path = sorted(folder.glob(pattern))[0]
        shutil.rmtree(path) if path.is_dir() else path.unlink()

    return edit


def append(pattern: str) -> Callable[[Path], None]:
    def edit(folder: Path) -> None:
        path = sorted(folder.glob(pattern))[0]
        path.write_bytes(path.read_bytes() + b"x")

    return edit


def other_weights(folder: Path) -> None:
    path = sorted(folder.glob("targets/*.npz"))[0]
    with np.load(path) as stored:
        weights = stored["weights"]
    np.savez(path, weights=weights + 1e-9)


@pytest.mark.parametrize(
    ("edit", "link", "problem"),
    [
        (edit_json("plan.json", title="Another"), "the plan is the frozen one", "not the plan_digest"),
        (edit_json("plan.json", stimuli=[]), "the plan is the frozen one", "there are none"),
        (append("codebook.csv"), "the codebook describes every column", "codebook.csv"),
        (drop_row("ratings"), "tables have the rows that were counted", "has 47 rows, the manifest says 48"),
        (
            set_cell("ratings", "image_sha256", "c" * 64),
            "responses name the image that was seen",
            "nobody was shown",
        ),
        (
            set_cell("choices", "left_sha256", "c" * 64),
            "responses name the image that was seen",
            "nobody was shown",
        ),
        (swap_cells("ratings", "image_sha256"), "responses name the image that was seen", "is another image"),
        (
            set_cell("ratings", "stimulus_id", "x"),
            "responses name the image that was seen",
            "is not in data/table-stimuli_data.csv",
        ),
        (
            set_cell("ratings", "participant_id", "p9"),
            "responses belong to participants",
            "not in data/table-participants_data.csv",
        ),
        (set_cell("choices", "trial_index", "9"), "responses belong to participants", "was answered before"),
        (
            set_cell("participants", "trials_done", "11"),
            "responses belong to participants",
            "11 trials done, but 12",
        ),
        (
            set_cell("ratings", "direction", "0"),
            "responses repeat what the plan says",
            "direction is not that",
        ),
        (
            swap_cells("ratings", "intended_target"),
            "responses repeat what the plan says",
            "intended_target is not",
        ),
        (swap_cells("choices", "high_side"), "responses repeat what the plan says", "or on other sides"),
        (swap_cells("choices", "aligned"), "responses repeat what the plan says", "aligned does not follow"),
        (swap_cells("choices", "chosen"), "responses repeat what the plan says", "aligned does not follow"),
        (
            set_cell("choices", "pair_id", "x"),
            "responses repeat what the plan says",
            "pair 'x' is not in the plan",
        ),
        (
            set_cell("stimuli", "prompt", "x"),
            "generated stimuli have their recipes",
            "prompt is not that of its recipe",
        ),
        (
            set_cell("stimuli", "seed", "77"),
            "generated stimuli have their recipes",
            "seed is not that of its recipe",
        ),
        (swap_cells("stimuli", "file"), "stimuli have their bytes", "its bytes are not those"),
        (append("stimuli/*.png"), "stimuli have their bytes", "its bytes are not those"),
        (remove("stimuli/*.png"), "stimuli have their bytes", "is missing"),
        (remove("recipes/*.json"), "generated stimuli have their recipes", "is missing"),
        (
            edit_json("recipes/*.json", steps=99),
            "generated stimuli have their recipes",
            "not that of its digest",
        ),
        (remove("targets/*.json"), "recipes and scores have their targets", "is missing"),
        (edit_json("targets/*.json", mean=0.0), "recipes and scores have their targets", "it was changed"),
        (other_weights, "recipes and scores have their targets", "it was changed"),
        (remove("targets/*.npz"), "recipes and scores have their targets", "cannot be read"),
        (remove("artifacts/*"), "targets have their encoder artifacts", "is missing"),
        (
            append("artifacts/*/weights.npz"),
            "targets have their encoder artifacts",
            "not those of its digest",
        ),
        (
            edit_json("artifacts/*/artifact.json", model="x"),
            "targets have their encoder artifacts",
            "not those of",
        ),
    ],
)
def test_a_rewritten_chain_is_broken_where_it_was_touched(folder: Path, edit, link: str, problem: str):
    edit(folder)
    reseal(folder)
    check = broken(folder)
    assert check.link.startswith(link)
    assert problem in " ".join(check.problems)


def without_recipe(folder: Path) -> None:
    """Push an image into the study of which nobody knows how it was made."""

    def change(frame: pd.DataFrame) -> None:
        frame.loc[0, "recipe_digest"] = ""

    edit_table("stimuli", change)(folder)
    reseal(folder)


def test_a_generated_image_without_recipe_is_a_broken_link(folder: Path):
    without_recipe(folder)
    check = broken(folder)
    assert check.link == "generated stimuli have their recipes"
    assert check.count == 8
    assert check.problems[0].endswith("was generated, but nothing says how: it has no recipe")


def test_the_verdict_on_data_from_elsewhere_says_what_cannot_be_known(
    folder: Path, capsys: pytest.CaptureFixture[str]
):
    without_recipe(folder)
    manifest = json.loads((folder / NAME).read_bytes())
    (folder / NAME).write_bytes(manifest_bytes({**manifest, "origin": "external"}))
    reseal(folder)
    assert main(["verify", str(folder)]) == 0
    said = capsys.readouterr().out
    assert "The chain is whole as far as the export reaches." in said
    assert "The data come from elsewhere" in said
    assert "How the images were made cannot be known: 1 have no recipe." in said
    assert main(["verify", str(folder), "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)["not_known"]) == 2


def test_what_was_left_out_is_said_with_the_verdict(whole: SmallStudy, capsys: pytest.CaptureFixture[str]):
    folder = whole.write("without-targets", target_folder=None)
    assert main(["verify", str(folder)]) == 0
    assert "Recipes and scores rest on 2 targets that were left out of the export." in capsys.readouterr().out


def test_an_unknown_origin_is_refused(folder: Path):
    manifest = json.loads((folder / NAME).read_bytes())
    (folder / NAME).write_bytes(manifest_bytes({**manifest, "origin": "heaven"}))
    reseal(folder)
    assert "origin is 'heaven' (expected almond or external)" in broken(folder).problems[0]


def test_bold_files_are_hashed_again_where_they_are_given(whole: SmallStudy, folder: Path, tmp_path: Path):
    bold = Path(shutil.copytree(whole.bold, tmp_path / "bold"))
    assert first_broken(verify(folder, bold=bold)) is None
    run = bold / "sub-T0" / "bold.nii"
    run.write_bytes(run.read_bytes()[:-1] + b"!")
    check = broken(folder, bold)
    assert check.link == "artifacts record their BOLD files"
    assert f"{run}: its bytes changed" in check.problems[0]
    run.unlink()
    assert f"{run}: is missing" in broken(folder, bold).problems[0]


def test_the_command_says_the_chain_is_whole(whole: SmallStudy, capsys: pytest.CaptureFixture[str]):
    assert main(["verify", str(whole.root / "export"), "--bold", str(whole.bold)]) == 0
    assert "The chain is whole." in capsys.readouterr().out
    assert main(["verify", str(whole.root / "export"), "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["ok"] is True
    assert result["broken"] is None
    assert len(result["links"]) == 15


def test_the_command_names_the_broken_link(folder: Path, capsys: pytest.CaptureFixture[str]):
    image = next((folder / "stimuli").iterdir())
    image.write_bytes(image.read_bytes()[:-1] + b"\x00")
    assert main(["verify", str(folder)]) == 1
    captured = capsys.readouterr()
    assert image.name in captured.err
    assert "BROKEN  files have their bytes" in captured.out
    assert main(["verify", str(folder), "--json"]) == 1
    result = json.loads(capsys.readouterr().out)
    assert image.name in result["broken"]["problem"]
    assert main(["verify", str(folder / "nowhere"), "--json"]) == 1


def test_verification_needs_no_torch():
    code = "import sys, almond.evidence.verify, almond.evidence.export; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"torch", "diffusers", "nibabel", "scipy", "django"} & set(loaded.stdout.split())
