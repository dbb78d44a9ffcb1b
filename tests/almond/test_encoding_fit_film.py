"""Runs that show a film: from its frames to predictors, in the sound and in a published order."""

import json
from fractions import Fraction

import av
import numpy as np
import pytest
from scipy.signal import resample_poly

from almond.encoding.features.kinds.world import open_world
from almond.encoding.pipeline.design_matrix import read_subject
from almond.encoding.pipeline.fit import fit
from almond.encoding.pipeline.inputs import gather_inputs
from almond.errors import InputError
from almond.progress import Silent
from almond.rng import generator
from tests.almond.encoding_data import configured, slow, write_runs

RATE, SECONDS, TR = 10, 52, 2.0
LENGTHS = (11, 15)


def picture(index):
    """A slow change of colour over a gradient."""
    phase = 2 * np.pi * index / (RATE * 13)
    columns = np.linspace(0, 200, 96)
    image = np.stack(
        [
            columns,
            np.full(96, 128 + 90 * np.sin(phase)),
            np.full(96, 128 + 90 * np.cos(phase / 2)),
        ],
        axis=1,
    )
    return np.broadcast_to(image.astype(np.uint8), (96, 96, 3)).copy()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    root = tmp_path_factory.mktemp("film")
    with av.open(str(root / "film.mp4"), "w") as container:
        stream = container.add_stream("libx264", rate=RATE, options={"crf": "1"})
        stream.width, stream.height, stream.pix_fmt = 96, 96, "yuv444p"
        stream.time_base = stream.codec_context.time_base = Fraction(1, RATE)
        for index in range(RATE * SECONDS):
            frame = av.VideoFrame.from_ndarray(picture(index), format="rgb24")
            frame.pts, frame.time_base = index, Fraction(1, RATE)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    rng = generator(1, "film")
    write_runs(root, [slow(rng, length, 3, 2.0) for length in LENGTHS], tr=TR)
    return root


def predictors(folder, **changes):
    features = {"kind": "world", "video": "film.mp4", "every": 3}
    config = configured(folder, features=features, detrend="none", **changes)
    inputs = gather_inputs(config, "s1", out=folder / "out", progress=Silent())
    return read_subject(config, inputs.regions, inputs.scans, inputs.predictors, Silent()).x


@pytest.fixture(scope="module")
def values():
    """What the network gives for every third frame, without a film between."""
    return open_world().extract([picture(index) for index in range(0, RATE * SECONDS, 3)])


def test_each_run_sees_its_part_of_the_film_at_the_right_times(folder, values):
    x = predictors(folder)
    frames = np.arange(len(values)) * 3 / RATE
    volumes = np.arange(sum(LENGTHS)) * TR  # no pause in the film between the runs

    def apart(run, lag):
        """How far a run's predictors are from the film's features ``lag`` seconds after its volumes."""
        inside = np.arange(3, LENGTHS[run] - 3) + run * LENGTHS[0]
        shown = [np.interp(volumes[inside] + lag, frames, column) for column in values.T]
        return np.sqrt(np.mean((x[inside] - np.stack(shown, axis=1)) ** 2)) / values.std()

    for run in range(2):
        lags = {lag: apart(run, lag) for lag in (-1.0, -0.3, 0.0, 0.3, 1.0)}
        assert min(lags, key=lags.get) == 0.0
        assert lags[0.0] < 0.1


def test_the_published_order_stretches_the_frames_onto_all_runs(folder, values):
    x = predictors(folder, order="paper-amygdala", hrf="spm")
    response = np.load("tests/almond/fixtures/spm_hrf.npz")["hrf_rt2"].ravel()
    stretched = resample_poly(values.astype(float), sum(LENGTHS), len(values), axis=0)
    expected = np.stack([np.convolve(c, response)[: sum(LENGTHS)] for c in stretched.T], axis=1)
    # Coding changes pixels a little.
    assert np.abs(x - expected).max() < 0.05 * np.abs(expected).max()


def test_a_film_is_fitted_and_its_digest_is_in_the_artifact(folder):
    changes = {"features": {"kind": "world", "video": "film.mp4"}, "folds": 2, "gap": 0, "penalties": 1}
    (item,) = fit(configured(folder, null_control={"features": 20}, **changes), progress=Silent()).artifacts
    assert item.metrics["null_control"]["features"] == 20
    (cached,) = (folder / "artifacts" / "features").glob("film-*.npz")
    provenance = json.loads((item.path / "artifact.json").read_text())["provenance"]
    assert provenance["feature_files"]["world"]["film.mp4"] == cached.name.removeprefix("film-").removesuffix(
        ".npz"
    )


def test_a_film_too_short_for_the_runs_is_an_error(folder, tmp_path):
    write_runs(tmp_path, [slow(generator(2, "x"), 40, 2, 2.0)], tr=TR)
    (tmp_path / "film.mp4").write_bytes((folder / "film.mp4").read_bytes())
    config = configured(tmp_path, runs=1, features={"kind": "world", "video": "film.mp4"})
    with pytest.raises(InputError, match=r"film.mp4: lasts 52.* s, the 1 runs that show it 80.0 s"):
        fit(config, progress=Silent())
