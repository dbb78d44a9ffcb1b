"""Files and names from the field: each case with its right value, or the error that names the file."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from almond.cli.main import main

CASES = Path(__file__).parent / "cases" / "encoder"
CLEAN = 0.709


@pytest.mark.parametrize("case", ["clean", "apple-double", "run-01-run-1"])
def test_names_of_the_field_give_the_clean_result(tmp_path, capsys, case):
    assert main(["fit", str(CASES / case / "c.yaml"), "--out", str(tmp_path), "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["heldout_r"]["ridge"]["m"] == pytest.approx(CLEAN, abs=0.0005)
    (artifact,) = result["artifacts"]
    metrics = json.loads((Path(artifact["path"]) / "artifact.json").read_text(encoding="utf-8"))["metrics"]
    assert metrics["n_voxels"] == 48
    assert metrics["n_volumes"] == 180
    assert "remarks" not in metrics


@pytest.mark.parametrize(
    ("case", "words"),
    [
        (
            "sform-qform-disagree",
            [
                "sub-01_task-x_run-1_bold.nii.gz: has an sform (scanner) and a qform (scanner)",
                "left and right the other way round; the sform was used",
                "side: left may be the other half",
                "expected sform and qform that agree in its header",
            ],
        ),
        (
            "probability-mask",
            [
                "mask.nii.gz: is no mask: beside 0 it has 2 values (0.004, 0.8) in 180 of 180 voxels",
                "expected {map: mask.nii.gz, above: 0.402}",
            ],
        ),
    ],
)
def test_images_that_could_mean_something_else_are_refused(tmp_path, capsys, case, words):
    assert main(["fit", str(CASES / case / "c.yaml"), "--out", str(tmp_path), "--json"]) == 1
    captured = capsys.readouterr()
    text = captured.out + captured.err
    assert [word for word in words if word not in text] == []
    assert not list(tmp_path.glob("*/artifact.json"))
