"""A fit that was killed goes on where it was: nothing that is done is fitted again."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from almond.encoding.pipeline.fit import fit, load_config
from almond.progress import Silent
from almond.rng import generator
from tests.almond.encoding_data import slow, write_runs

ROOT = Path(__file__).parents[2]
SUBJECTS = 6


@pytest.fixture
def study(tmp_path):
    """Six subjects, one run each, with enough permutations to be caught in the middle."""
    rng = generator(1, "resume")
    runs = []
    for subject in range(SUBJECTS):
        write_runs(tmp_path, [100 + slow(rng, 200, 30, 3.0)], name=f"s{subject}-")
        runs.append({"subject": f"s{subject}", "run": 1, "bold": f"s{subject}-0.nii.gz"})
    np.save(tmp_path / "features.npy", slow(rng, 200, 60, 3.0))
    settings = {
        "runs": runs,
        "features": {"kind": "table", "path": "features.npy"},
        "regions": {"ROI": "mask.nii.gz"},
        "model": ["ridge", "pls"],
        "components": 5,
        "penalties": 1,
        "permutations": 60,
        "output": "out",
    }
    (tmp_path / "fit.yaml").write_text(json.dumps(settings))
    return tmp_path


def indexed(out):
    """What is remembered: index file -> time of the artifact it names."""
    found = {}
    for path in sorted((out / "index").glob("*.json")) if (out / "index").is_dir() else []:
        artifact = out / json.loads(path.read_text())["artifact"] / "artifact.json"
        found[path.name] = artifact.stat().st_mtime_ns
    return found


def test_a_killed_fit_started_again_fits_each_exactly_once(study):
    out = study / "out"
    command = [sys.executable, "-m", "almond", "fit", str(study / "fit.yaml"), "--json"]
    process = subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=dict(os.environ)
    )
    while len(indexed(out)) < 3 and process.poll() is None:
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.wait()
    before = indexed(out)
    assert 3 <= len(before) < 2 * SUBJECTS
    report = fit(load_config(study / "fit.yaml"), progress=Silent())
    after = indexed(out)
    assert len(report.artifacts) == len(after) == 2 * SUBJECTS
    assert {name: after[name] for name in before} == before
    folders = [path for path in out.iterdir() if len(path.name) == 64]
    assert len(folders) == 2 * SUBJECTS
    assert sorted(path.name for path in out.iterdir() if path not in folders) in (
        ["index"],
        ["features", "index"],
    )


def made(out):
    """Digest -> region and model of every artifact."""
    metas = [(path.parent.name, json.loads(path.read_text())) for path in out.glob("*/artifact.json")]
    return {digest: (meta["region"], meta["model"]) for digest, meta in metas}


def test_a_new_region_or_model_fits_only_what_is_new(study):
    settings = json.loads((study / "fit.yaml").read_text()) | {"permutations": 0, "model": "ridge"}
    out = study / "out"

    def run(**changes):
        """What a fit with these changes makes, and what was there before it and is still used."""
        before = made(out)
        (study / "fit.yaml").write_text(json.dumps({**settings, **changes}))
        used = {item.digest for item in fit(load_config(study / "fit.yaml"), progress=Silent()).artifacts}
        new = [name for digest, name in made(out).items() if digest not in before]
        return new, used & set(before)

    assert run() == ([("ROI", "ridge")] * SUBJECTS, set())
    first = set(made(out))
    more = {"ROI": "mask.nii.gz", "right": {"mask": "mask.nii.gz", "side": "right"}}
    assert run(regions=more) == ([("right", "ridge")] * SUBJECTS, first)
    assert run(model=["ridge", "pls"]) == ([("ROI", "pls")] * SUBJECTS, first)
    sections = {"prediction": {"images": "."}, "flow": {"epochs": 3}, "device": "cpu"}
    assert run(**sections) == ([], first)


def test_a_region_lost_between_two_saves_comes_back_to_the_bit(study):
    regions = {"ROI": "mask.nii.gz", "right": {"mask": "mask.nii.gz", "side": "right"}}
    changes = {"permutations": 0, "regions": regions}
    settings = json.loads((study / "fit.yaml").read_text()) | changes
    (study / "fit.yaml").write_text(json.dumps(settings))

    def digests():
        items = fit(load_config(study / "fit.yaml"), progress=Silent()).artifacts
        return {(item.subject, item.region, item.model): item.digest for item in items}

    first = digests()
    for key in (("s0", "right", "pls"), ("s1", "ROI", "ridge")):
        shutil.rmtree(study / "out" / first[key])
    assert digests() == first
