"""The flow model as a whole on simulated brains: performance, calibration, killing, changing, wrong input."""

import dataclasses
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from almond.encoding.bold.cleaning import standardised_courses
from almond.encoding.config.multisubject import FlowSettings
from almond.encoding.models.folds import correlation, make_folds
from almond.encoding.models.ridge import fit_ridge, relative_penalties
from almond.encoding.multisubject.flow_artifact import load_flow
from almond.encoding.multisubject.flow_stages import StageSettings, train_stages
from almond.encoding.pipeline.families import fit_family
from almond.errors import Cancelled, DigestMismatch, InputError
from almond.progress import Silent
from almond.rng import generator
from tests.almond.family_subjects import configured, simulated

QUICK = FlowSettings(epochs=25, flow_epochs=15, width=8, hidden=8, kernel=6.0, samples=4, steps=5)


@pytest.fixture(scope="module")
def subjects():
    return simulated(3, seed=11, n_volumes=240, voxels=8)


@pytest.fixture(scope="module")
def fitted(subjects, tmp_path_factory):
    out = tmp_path_factory.mktemp("flow")
    noise = [
        dataclasses.replace(one, null_x=generator(1, "noise", one.subject).standard_normal((480, 20)))
        for one in subjects
    ]
    return fit_family(
        "flow",
        configured(out, flow=FlowSettings(kernel=6.0, epochs=150, flow_epochs=40, patience=15)),
        noise,
        out,
        Silent(),
    )


def test_both_stages_on_a_block_that_they_never_saw(subjects, fitted):
    assert len(fitted) == 3 * 6
    assert len({item.digest for item in fitted}) == 1

    def mean(*path):
        values = []
        for item in fitted:
            found = item.metrics
            for key in path:
                found = found[key]
            values.append(found)
        return np.mean(values)

    anchor, flow = mean("anchor", "heldout_r"), mean("heldout_r", "mean")
    assert mean("anchor", "heldout_r2") > 0.1  # beats the mean
    assert anchor > ridge_r(subjects) - 0.03
    assert flow > anchor - 0.01
    assert mean("null_control", "heldout_r") < 0.1
    voxels = mean("calibration", "voxels", "spread_skill")
    assert voxels == pytest.approx(1.0, abs=0.08)
    for level in ("50", "80", "90"):
        assert mean("calibration", "voxels", "coverage", level) == pytest.approx(int(level) / 100, abs=0.04)
        regions = mean("calibration", "region_mean", "coverage", level)
        assert regions == pytest.approx(int(level) / 100, abs=0.12)
    assert mean("calibration", "voxels", "crps") < mean("calibration", "crps_gaussian_anchor") + 0.01


def ridge_r(subjects):
    reached = []
    for one in subjects:
        fold = make_folds("blocks", one.lengths, n_folds=5, gap=10.0, tr=one.tr).folds[-1]
        penalties = relative_penalties(one.x[fold.train], (0.1,))
        model = fit_ridge(one.x[fold.train], one.bold[fold.train], penalties)
        predicted = one.x[fold.test] @ model.weights + model.intercept
        reached.append(correlation(predicted, one.bold[fold.test]).mean())
    return np.mean(reached)


def test_the_artifact_gives_back_the_model(subjects, fitted):
    artifact = load_flow(fitted[0].path)
    one = subjects[1]
    mean = artifact.predict(one.x[:60], "02")
    assert mean.shape == (60, 48)
    np.testing.assert_array_equal(mean, load_flow(fitted[0].path).predict(one.x[:60], "02"))
    samples = artifact.sample(one.x[:60], "02", 40, seed=3)
    assert samples.shape == (40, 60, 48)
    np.testing.assert_array_equal(samples[:2], artifact.sample(one.x[:60], "02", 2, seed=3))
    assert not np.array_equal(samples[:2], artifact.sample(one.x[:60], "02", 2, seed=4))
    error = np.abs(samples.mean(axis=0) - mean).mean() / samples.std(axis=0).mean()
    assert error < 1.5 * np.sqrt(2 / np.pi / 40)
    more = artifact.sample(one.x[:60], "02", 20, steps=100, seed=3)
    assert more.std(axis=0).mean() == pytest.approx(samples.std(axis=0).mean(), rel=0.15)
    np.testing.assert_array_equal(artifact.voxels["02"], one.voxels)
    np.testing.assert_array_equal(artifact.columns["02"]["VC"], one.columns["VC"])
    assert artifact.feature_space["name"] == "latents"
    with pytest.raises(InputError, match="was not trained"):
        artifact.predict(one.x, "09")
    with pytest.raises(InputError, match="have the shape"):
        artifact.predict(one.x[:, :3], "02")
    with pytest.raises(InputError, match="samples"):
        artifact.sample(one.x, "02", 0)


def test_the_first_stage_is_linear(subjects, fitted):
    model = load_flow(fitted[0].path).model
    one, other = subjects[0].x[:80], subjects[0].x[80:160]
    zero = model.predict_anchor(np.zeros_like(one), "01")
    joint = model.predict_anchor(one + other, "01")
    apart = model.predict_anchor(one, "01") + model.predict_anchor(other, "01") - zero
    np.testing.assert_allclose(joint, apart, atol=1e-4)


def test_changed_weights_are_refused_and_made_again(subjects, tmp_path):
    config = configured(tmp_path, flow=QUICK)
    (first, *_) = fit_family("flow", config, subjects[:1], tmp_path, Silent())
    assert not (tmp_path / "checkpoints" / "x").exists()
    assert list((tmp_path / "checkpoints").iterdir()) == []
    weights = first.path / "weights.safetensors"
    written = weights.stat().st_mtime_ns
    fit_family("flow", config, subjects[:1], tmp_path, Silent())
    assert weights.stat().st_mtime_ns == written  # made once
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    with pytest.raises(DigestMismatch):
        load_flow(first.path)
    (again, *_) = fit_family("flow", config, subjects[:1], tmp_path, Silent())
    assert load_flow(again.path).digest == first.digest  # the same seed, the same bytes
    with pytest.raises(InputError, match="no artifact"):
        load_flow(tmp_path / "index")


KILLED = """
import os, signal, sys
import torch
torch.set_num_threads(1)
from pathlib import Path
from almond.encoding.pipeline.families import fit_family
from tests.almond.family_subjects import configured, simulated
from tests.almond.test_families_flow_fit import QUICK

class Killer:
    def report(self, fraction, message=""):
        if message == sys.argv[2]:
            os.kill(os.getpid(), signal.SIGKILL)

out = Path(sys.argv[1])
fit_family("flow", configured(out, flow=QUICK), simulated(2, seed=12, voxels=3), out, Killer())
"""


def test_a_killed_training_goes_on_and_ends_as_if_never_killed(tmp_path):
    out = tmp_path / "killed"
    done = subprocess.run(
        [sys.executable, "-c", KILLED, str(out), "flow matching, epoch 13"],
        cwd=Path(__file__).parents[2],
        check=False,
        timeout=120,
    )
    assert done.returncode == -signal.SIGKILL
    assert list(out.glob("checkpoints/*/fold-5/velocity.safetensors"))
    assert not list(out.glob("*/artifact.json"))
    said = []

    class Listener:
        def report(self, fraction, message=""):
            said.append(message)

    torch.set_num_threads(1)
    data = simulated(2, seed=12, voxels=3)
    (resumed, *_) = fit_family("flow", configured(out, flow=QUICK), data, out, Listener())
    trained = [message for message in said if "epoch" in message]
    assert trained[0] == "flow matching, epoch 11"
    whole = tmp_path / "whole"
    (straight, *_) = fit_family("flow", configured(whole, flow=QUICK), data, whole, Silent())
    assert resumed.digest == straight.digest


def test_cancelling_leaves_no_artifact(subjects, tmp_path):
    class Stop:
        def report(self, fraction, message=""):
            assert 0.0 <= fraction <= 1.0
            if message == "anchor-2, epoch 5":
                raise Cancelled("stop")

    with pytest.raises(Cancelled):
        fit_family("flow", configured(tmp_path, flow=QUICK), subjects[:2], tmp_path, Stop())
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoints"]


def test_the_second_stage_learns_what_is_not_linear():
    """Responses with a part that is quadratic in a feature, and fluctuations that grow with it."""
    bent = []
    for number, one in enumerate(simulated(2, seed=2, voxels=3, n_runs=4, n_volumes=400)):
        rng = generator(5, "bent", number)
        cause = one.x[:, :1] / one.x[:, :1].std()
        load = rng.normal(1.0, 0.3, (1, one.bold.shape[1]))
        fluctuation = 0.6 * rng.standard_normal((len(cause), 1)) * np.exp(0.8 * cause)
        bold = standardised_courses(one.bold + (fluctuation + 0.7 * (cause**2 - 1)) @ load)
        bent.append(dataclasses.replace(one, bold=bold))
    folds = [make_folds("blocks", one.lengths, n_folds=5, gap=10.0, tr=one.tr).folds[-1] for one in bent]
    setting = StageSettings(
        FlowSettings(kernel=1.5, flow_lr=3e-3, flow_epochs=30, samples=16, steps=10), 10.0, convolved=True
    )
    model = train_stages(bent, [fold.train for fold in folds], setting, Silent())
    gained = []
    for one, fold in zip(bent, folds, strict=True):
        measured = one.bold[fold.test]
        refined = model.predict(one.x, one.subject, one.lengths)[fold.test]
        anchor = model.predict_anchor(one.x, one.subject, one.lengths)[fold.test]
        gained.append((correlation(refined, measured) - correlation(anchor, measured)).mean())
    assert np.mean(gained) > 0.03


def test_folds_train_once_per_fold_and_once_more(tmp_path):
    data = simulated(1, seed=13, voxels=2)
    settings = QUICK.model_copy(update={"epochs": 4, "flow_epochs": 2, "evaluate": "folds"})
    fitted = fit_family("flow", configured(tmp_path, flow=settings, folds=3), data, tmp_path, Silent())
    assert len(fitted[0].metrics["heldout_r_folds"]) == 3
    assert fitted[0].metrics["folds"]["number"] == 3


def test_wrong_input_is_refused(subjects, tmp_path):
    with pytest.raises(InputError, match="convolves over time"):
        fit_family(
            "flow", configured(tmp_path, flow=QUICK, crossvalidation="random"), subjects, tmp_path, Silent()
        )
    short = [
        dataclasses.replace(one, x=one.x[:24], bold=one.bold[:24], lengths=(24,)) for one in subjects[:1]
    ]
    with pytest.raises(InputError, match="gap"):
        fit_family("flow", configured(tmp_path, flow=QUICK), short, tmp_path, Silent())
    with pytest.raises(InputError, match="none to fit"):
        fit_family("flow", configured(tmp_path, flow=QUICK), [], tmp_path, Silent())
    assert list(tmp_path.iterdir()) == []
