"""A new encoding model is one module with one entry: accepted, fitted, reported, nothing else edited."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from almond.cli.main import main
from almond.encoding.artifacts.artifact import load_artifact
from almond.encoding.artifacts.catalogue import collect
from almond.encoding.config.encoding_models import ENCODING_MODELS
from almond.encoding.config.fit_config import load_config, parse_config
from almond.encoding.pipeline.encoders.base import FamilyModel, SubjectModel
from almond.errors import InputError
from almond.rng import generator
from tests.almond.encoding_data import write_runs

HEAVY = ("scipy", "torch", "himalaya", "nibabel", "sklearn", "pandas")


@pytest.fixture
def mean_model() -> Iterator[str]:
    path = "tests.contracts.one_file_each.mean_model:MEAN"
    with ENCODING_MODELS.registered("mean", path, "mean of the training volumes"):
        yield "mean"


@pytest.fixture
def study(tmp_path: Path) -> Path:
    """A configuration of two runs of noise around 100, with a model of its own and ridge beside it."""
    rng = generator(1, "mean model")
    write_runs(tmp_path, [100 + rng.standard_normal((60, 5)) for _ in range(2)])
    np.save(tmp_path / "features.npy", rng.standard_normal((120, 3)))
    mapping = {
        "runs": [{"subject": "s1", "run": run, "bold": f"run{run}.nii.gz"} for run in range(2)],
        "features": {"kind": "table", "path": "features.npy"},
        "regions": {"ROI": "mask.nii.gz"},
        "model": ["mean", "ridge"],
        "standardise": False,
        "detrend": "none",
        "hrf": "none",
        "folds": 3,
        "gap": 4,
        "null_control": {"features": 2},
        "output": "out",
    }
    (tmp_path / "fit.yaml").write_text(json.dumps(mapping))
    return tmp_path / "fit.yaml"


def test_it_is_offered_under_its_label(mean_model: str) -> None:
    assert dict(ENCODING_MODELS.choices())[mean_model] == "mean of the training volumes"


def test_it_is_fitted_from_the_command_line_into_an_artifact(
    mean_model: str, study: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["fit", str(study), "--json"]) == 0
    report: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert set(report["heldout_r"]) == {"mean", "ridge"}
    assert report["heldout_r"]["mean"]["ROI"] == pytest.approx(
        0, abs=1e-9
    )  # a constant does not covary with anything
    assert main(["fit", str(study)]) == 0
    assert "mean" in capsys.readouterr().out
    (stored,) = collect(load_config(study), [mean_model])
    artifact = load_artifact(stored.path)
    assert artifact.model == "mean"
    assert not artifact.weights.any()
    np.testing.assert_allclose(artifact.intercept, 100, atol=0.5)
    assert artifact.metrics["null_control"]["heldout_r"] == pytest.approx(0, abs=1e-9)


def test_without_its_entry_it_is_refused(study: Path) -> None:
    with pytest.raises(InputError, match="mean"):
        load_config(study)


def test_it_is_in_the_json_schema(mean_model: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["schema"]) == 0
    assert f'"{mean_model}"' in capsys.readouterr().out


def test_what_a_model_needs_is_checked(tmp_path: Path) -> None:
    mapping = {"features": "world", "model": "banded"}
    with pytest.raises(InputError, match="banded needs several feature spaces"):
        parse_config(mapping, tmp_path)


def test_every_entry_is_light_and_of_one_of_the_two_kinds() -> None:
    assert all(isinstance(entry, SubjectModel | FamilyModel) for entry in ENCODING_MODELS.entries().values())
    program = (
        "import sys; from almond.encoding.config.encoding_models import ENCODING_MODELS; "
        f"ENCODING_MODELS.entries(); print(*[name for name in {HEAVY!r} if name in sys.modules])"
    )
    printed = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert printed.stdout.strip() == ""
