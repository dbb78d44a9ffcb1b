"""What sidecars, onsets, features and voxels of runs leave open: used, said, or refused by name."""

import json
import re
from pathlib import Path

import nibabel
import numpy as np
import pandas as pd
import pytest

from almond.encoding.bold.bids import Run, find_runs
from almond.encoding.bold.onsets import Span, event_times
from almond.encoding.bold.run_headers import repetition_time, start_time
from almond.encoding.features.card import FeatureSpaceCard
from almond.encoding.features.film_predictors import split_film
from almond.encoding.features.run_features import Predictors, RunFeatures, Scan
from almond.encoding.hemodynamics.convolution import align, hold
from almond.encoding.pipeline.design_matrix import aligned, prepared_predictors
from almond.encoding.pipeline.fit import fit
from almond.encoding.pipeline.inputs import gather_inputs
from almond.encoding.pipeline.whole_brain import map_brain
from almond.errors import InputError
from almond.progress import Silent
from almond.remarks import KINDS, Remarks
from almond.rng import generator
from tests.almond.encoding_data import AFFINE, configured, slow, write_runs

TR, VOLUMES, VOXELS = 2.0, 60, 8
DOCS = Path(__file__).resolve().parents[2] / "docs" / "remarks.md"


def test_every_kind_has_its_section():
    text = DOCS.read_text(encoding="utf-8")
    sections = re.findall(r"^## (.+)\nKind `([a-z-]+)`\.", text, re.M)
    assert {kind: heading for heading, kind in sections} == KINDS
    assert len(re.findall(r"^## ", text, re.M)) == len(KINDS)


@pytest.fixture
def lab(tmp_path):
    """Two runs of one subject whose voxels follow the features of a table, a row per volume."""
    rng = generator(3, "remarks")
    features = slow(rng, 2 * VOLUMES, 2, 4)
    np.save(tmp_path / "features.npy", features)
    weights = rng.standard_normal((2, VOXELS))
    courses = features @ weights + rng.standard_normal((2 * VOLUMES, VOXELS))
    write_runs(tmp_path, np.split(courses, 2))
    return tmp_path


def remarks_of(folder, **changes):
    (item,) = fit(configured(folder, **changes), progress=Silent()).artifacts
    return item.metrics.get("remarks", [])


def sidecar(folder, run, **fields):
    (folder / f"run{run}.json").write_text(json.dumps(fields))


def x_of(folder, **changes):
    config = configured(folder, **changes)
    inputs = gather_inputs(config, "s1", out=folder / "out", progress=Silent())
    return prepared_predictors(config, inputs.scans, inputs.predictors)


# Times of volumes


def run_of(folder, raw=None, own=None, n=4, tr=TR):
    """The only run of a derivative (``own``: its sidecar) of a raw run, or of a raw dataset."""
    func = folder / "sub-1" / "func"
    func.mkdir(parents=True, exist_ok=True)
    image = nibabel.Nifti1Image(np.zeros((2, 2, 2, n), np.float32), AFFINE)
    image.header.set_xyzt_units("mm", "sec")
    image.header.set_zooms((3, 3, 3, tr))
    nibabel.save(image, func / "sub-1_task-x_bold.nii")
    (func / "sub-1_task-x_bold.json").write_text(json.dumps(raw or {}))
    if own is None:
        return find_runs(folder)[0]
    made = folder / "derivatives" / "prep" / "sub-1" / "func"
    made.mkdir(parents=True, exist_ok=True)
    nibabel.save(image, made / "sub-1_task-x_desc-preproc_bold.nii")
    (made / "sub-1_task-x_desc-preproc_bold.json").write_text(json.dumps(own))
    return find_runs(folder, derivatives="prep")[0]


@pytest.mark.parametrize(
    ("raw", "own", "stated", "start", "kinds"),
    [
        ({}, None, None, 0.0, []),
        ({"StartTime": 0.9}, None, None, 0.9, []),
        ({"StartTime": 0.9}, {}, None, 0.9, []),
        ({"StartTime": 0.9}, {"StartTime": 0}, None, 0.0, []),
        ({"SliceTiming": [0, 0.9]}, {"StartTime": 0.5, "SliceTimingCorrected": True}, None, 0.5, []),
        ({"SliceTiming": [0, 0.9]}, None, None, 0.0, []),
        ({"SliceTiming": [0, 1.9]}, None, None, 0.0, ["slice-timing"]),
        ({"SliceTiming": [0, 1900]}, None, None, 0.0, ["slice-timing"]),
        ({"SliceTiming": [0, 1.9]}, None, 1.0, 1.0, []),
        ({"SliceTiming": [0, 1.9]}, {"SliceTimingCorrected": True}, None, 0.0, ["slice-timing"]),
        ({"SliceTiming": [0, 1.9]}, {"SliceTimingCorrected": True}, 0.0, 0.0, []),
        ({"SliceTiming": "n/a"}, None, None, 0.0, []),
        ({"DelayTime": 0.1}, None, None, 0.0, []),
        ({"DelayTime": 1.0}, None, 0.5, 0.5, ["sparse-acquisition"]),
        ({"FrameAcquisitionDuration": 1.0}, None, None, 0.0, ["sparse-acquisition"]),
        ({"AcquisitionDuration": 1.0, "RepetitionTime": 2.0}, None, None, 0.0, []),
    ],
)
def test_times_of_volumes(tmp_path, raw, own, stated, start, kinds):
    remarks = Remarks()
    assert start_time(run_of(tmp_path, raw, own), TR, stated, remarks) == start
    assert [remark.kind for remark in remarks] == kinds
    assert all(remark.about == "task-x" for remark in remarks)


@pytest.mark.parametrize(
    ("fields", "stated", "message"),
    [
        ({"StartTime": 1500}, None, r"bold.nii: StartTime of its sidecar is 1500 s, and a volume lasts 2 s"),
        ({"StartTime": 0.5}, 0.7, "StartTime is not one: sidecar 0.5 s, configuration 0.7 s"),
        ({}, 2.0, "StartTime of its configuration is 2 s"),
        ({"StartTime": "1.5"}, None, "sidecar of .*bold.nii: StartTime is '1.5'"),
        ({"StartTime": -1}, None, "StartTime is -1"),
        ({"StartTime": True}, None, "StartTime is True"),
        ({"StartTime": float("nan")}, None, "StartTime is nan"),
        ({"SliceTimingCorrected": "yes"}, None, "SliceTimingCorrected is 'yes' .*true or false"),
        ({"VolumeTiming": [0, 2, 1, 6]}, None, "VolumeTiming does not rise at volume 3"),
        ({"VolumeTiming": [0, "n/a", 4, 6]}, None, "VolumeTiming holds 'n/a' for volume 2"),
        ({"VolumeTiming": 2.0}, None, "VolumeTiming is 2.0"),
    ],
)
def test_times_that_cannot_be_are_refused_by_field(tmp_path, fields, stated, message):
    with pytest.raises(InputError, match=message):
        start_time(run_of(tmp_path, fields), TR, stated, Remarks())


@pytest.mark.parametrize(
    ("fields", "header", "stated", "tr"),
    [
        ({"VolumeTiming": [0, 2, 4, 6]}, 2.0, None, 2.0),
        ({"VolumeTiming": [0, 3, 6, 9]}, 2.0, None, "header 2 s, VolumeTiming 3 s"),
        ({"VolumeTiming": [0, 3, 6, 9]}, 2.0, 3.0, 3.0),
        ({"VolumeTiming": [0, 3, 6, 9], "RepetitionTime": 2}, 2.0, 3.0, "VolumeTiming 3 s"),
        ({"VolumeTiming": [0, 3, 6]}, 2.0, None, "has 4 volumes, but VolumeTiming .* 3 times"),
        ({"VolumeTiming": [0, 2, 4, 7]}, 2.0, 2.0, "uneven times: VolumeTiming .* 2 to 3 s"),
    ],
)
def test_volume_timing_stands_for_a_repetition_time_only_where_it_is_even(
    tmp_path, fields, header, stated, tr
):
    run = run_of(tmp_path, fields, tr=header)
    if isinstance(tr, str):
        with pytest.raises(InputError, match=tr):
            repetition_time(run, stated, Remarks())
    else:
        assert repetition_time(run, stated, Remarks()) == tr


@pytest.mark.parametrize(
    ("header", "fields", "stated", "tr"),
    [
        (2000.0, {}, None, "has a repetition time of 2000 s .*tr: seconds"),
        (2000.0, {}, 2.0, "2 s of tr: were used"),
        (0.002, {"RepetitionTime": 2.0}, None, "2 s of sidecar were used"),
        (2000.0, {"RepetitionTime": 2.0}, 2.0, "2 s of sidecar and tr: were used"),
        (2.5, {"RepetitionTime": 2.0}, 2.0, "2 s of sidecar and tr: were used"),
        (2.5, {}, 2.0, "disagree: header 2.5 s, configuration 2 s"),
        (2.5, {"RepetitionTime": 2.0}, None, "disagree: header 2.5 s, sidecar 2 s"),
        (2000.0, {"RepetitionTime": 2.0}, 3.0, "disagree"),
        (2000.0, {"RepetitionTime": 2000}, None, "has a repetition time of 2000 s"),
    ],
)
def test_headers_in_other_units(tmp_path, header, fields, stated, tr):
    remarks, run = Remarks(), run_of(tmp_path, fields, tr=header)
    if "used" not in tr:
        with pytest.raises(InputError, match=rf"bold.nii: .*{tr}"):
            repetition_time(run, stated, remarks)
        return
    assert repetition_time(run, stated, remarks) == 2.0
    (remark,) = remarks
    assert remark.kind == "repetition-time"
    assert remark.text == f"has a repetition time of {header:g} s in its header; {tr}"


def test_raw_runs_that_disagree_name_the_field(tmp_path):
    run_of(tmp_path, {"VolumeTiming": [0, 2, 4, 6]}, own={})
    func = tmp_path / "sub-1" / "func"
    (func / "sub-1_task-x_run-2_bold.json").write_text('{"VolumeTiming": [0, 2, 4, 7]}')
    with pytest.raises(InputError, match="comes from runs with different VolumeTiming"):
        find_runs(tmp_path, derivatives="prep")


# Alignment


def test_features_are_read_at_the_times_that_volumes_stand_for():
    """A slow sine is known at all times: between the rows as well as on them."""
    interval = 0.5
    for rows in (240, 239):  # one short: the last stands again
        sine = np.sin(2 * np.pi * np.arange(rows) * interval / 30)[:, None]
        at = align(sine, interval=interval, n_volumes=60, tr=TR, hrf="none", reference=0.75)
        expected = np.sin(2 * np.pi * (np.arange(60) * TR + 0.75) / 30)
        np.testing.assert_allclose(at[12:-12, 0], expected[12:-12], atol=2e-3)
    with pytest.raises(InputError, match="has 100 rows of features for a run of 60"):
        align(sine[:100], interval=interval, n_volumes=60, tr=TR, reference=0.75)
    # Convolved at once, or at the finer grid and then read.
    stimulus = np.zeros((240, 1))
    stimulus[[40, 130]] = 1.0
    late = align(stimulus, interval=interval, n_volumes=60, tr=TR, reference=1.0)
    moved = align(np.roll(stimulus, -2, axis=0), interval=interval, n_volumes=60, tr=TR)
    np.testing.assert_allclose(late, moved, atol=1e-5)
    fir = {"interval": interval, "n_volumes": 60, "tr": TR, "hrf": "fir", "delays": (2.0, 5.0)}
    np.testing.assert_allclose(
        align(stimulus, **fir, reference=1.0), align(np.roll(stimulus, -2, axis=0), **fir), atol=1e-5
    )


def test_films_move_in_every_run_that_shows_a_part_of_them(lab):
    """Frames lie on time from the start of each run, also where a run begins between two of them."""
    config = configured(lab, features={"kind": "table", "path": "features.npy"})
    runs = [Run("s1", str(number), lab / f"run{number}.nii.gz") for number in range(2)]
    scans = [Scan(run, volumes, TR, start_time=0.7) for run, volumes in zip(runs, (31, 29), strict=True)]
    frames = np.sin(2 * np.pi * np.arange(500) * 0.24 / 30)[:, None]
    parts = split_film(RunFeatures(frames, 0.24, lab / "film.mp4"), scans)
    shown = {"film": Predictors(FeatureSpaceCard("film", "", 1), parts)}
    at = aligned(config, scans, shown)[:, 0]
    expected = np.sin(2 * np.pi * (np.arange(60) * TR + 0.7) / 30)
    inner = np.r_[11:20, 42:49]  # away from borders of runs, over which nothing reaches
    np.testing.assert_allclose(at[inner], expected[inner], atol=3e-3)


def test_rows_of_volumes_stay_and_rows_of_seconds_move(lab):
    table = {"kind": "table", "path": "features.npy"}
    timed = {**table, "interval": TR}
    before = x_of(lab, features=table, hrf="spm")
    np.testing.assert_array_equal(x_of(lab, features=timed, hrf="spm"), before)
    sidecar(lab, 0, StartTime=0.8)
    sidecar(lab, 1, StartTime=0.8)
    np.testing.assert_array_equal(x_of(lab, features=table, hrf="spm"), before)
    moved = x_of(lab, features=timed, hrf="spm")
    assert np.abs(moved - before).max() > 0.05
    np.testing.assert_array_equal(x_of(lab, features=timed, hrf="spm", start_time=0.8), moved)
    for changes, text in (
        ({}, "tables with an interval were read at these times"),
        ({"order": "paper-amygdala", "hrf": "spm"}, "stretches features onto the volumes and did not use it"),
    ):
        remarks = remarks_of(lab, **changes)
        assert [row["about"] for row in remarks] == ["0", "1"]
        assert all(row["kind"] == "start-time" and text in row["text"] for row in remarks)


def test_another_start_time_is_another_fit(lab):
    timed = {"kind": "table", "path": "features.npy", "interval": TR}
    digests = []
    for stated in (None, 0.5, None):
        (item,) = fit(configured(lab, features=timed, start_time=stated), progress=Silent()).artifacts
        digests.append(item.digest)
    assert digests[0] == digests[2] != digests[1]


def test_a_fit_without_a_remark_is_not_served_where_there_is_one(lab):
    first = fit(configured(lab), progress=Silent()).artifacts[0]
    sidecar(lab, 0, SliceTiming=[0.0, 1.5])
    second = fit(configured(lab), progress=Silent()).artifacts[0]
    assert "remarks" not in first.metrics
    assert [row["kind"] for row in second.metrics["remarks"]] == ["slice-timing"]
    with pytest.raises(InputError, match=r"sub-s1: has remarks: 0: run0.nii.gz has slices up to 1.5 s"):
        fit(configured(lab, strict=True), progress=Silent())


# Onsets

SPAN = Span(120.0, Path("events.tsv"), "run-1")


def timed(*rows):
    """Times of events (onset, duration, row) and their remarks."""
    events = pd.DataFrame([row[:2] for row in rows], columns=["onset", "duration"], dtype=float)
    remarks = Remarks()
    times = event_times(events, np.array([row[2] for row in rows], np.int64), SPAN, remarks)
    return times, [(remark.kind, remark.text) for remark in remarks]


REGULAR = [(10.0 * number, 5.0, number % 2) for number in range(12)]


def test_events_without_doubts_have_no_remark():
    times, said = timed(*reversed(REGULAR))
    assert said == []
    assert times.onsets.tolist() == [row[0] for row in reversed(REGULAR)]
    assert timed(*REGULAR[:11], (118.0, 5.0, 0))[1] == []  # the last one is cut by the end of the run


@pytest.mark.parametrize(
    ("more", "kind", "text"),
    [
        ([(125, 5, 0), (-9, 4, 0)], "events-outside", "2 of 14 .* (1 over before it begins, 1 after its"),
        ([(-2, 5, 2)], "events-outside", "1 of 13 events that begin before the run, the first at -2 s"),
        ([(3, 500, 2)], "events-outside", "1 of 13 events that last longer than the run"),
        ([(33, 0, 2)], "events-duration", "1 of 13 events of duration 0; each is an impulse"),
        ([(37, 0, 1)], "events-duration", "duration 0; others of the same kind last longer"),
        ([REGULAR[3]], "events-overlap", "names 1 of 13 events twice"),
        ([(3, 5, 0)], "events-overlap", "1 of 13 events that last into the next of the same kind"),
    ],
)  # fmt: skip
def test_doubtful_events_are_counted(more, kind, text):
    _, said = timed(*REGULAR, *more)
    assert [remark[0] for remark in said] == [kind]
    assert re.search(text.replace("(", r"\(").replace(")", r"\)"), said[0][1])


def test_events_in_volumes_end_early():
    _, said = timed(*((onset / 2.5, 2.0, row) for onset, _, row in REGULAR))
    assert [remark[0] for remark in said] == ["events-early"]
    assert "over at 46 s of a run of 120 s" in said[0][1]


def test_the_same_event_counts_once():
    times, _ = timed(*REGULAR, *REGULAR[:2])
    assert len(times.onsets) == len(REGULAR)
    assert len(timed(*REGULAR, (0.0, 5.0, 1))[0].onsets) == len(REGULAR) + 1


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([(1000 * onset, 5, row) for onset, _, row in REGULAR], "11 of 12 events outside .* in milliseconds"),
        ([(onset + 100, 5, row) for onset, _, row in REGULAR], "10 of 12 events outside of the run of 120 s"),
        ([(onset, 3000, row) for onset, _, row in REGULAR], "12 of 12 events that last longer than the run"),
        ([*REGULAR, (3, -1, 0)], "line 14: duration is -1"),
        ([*REGULAR, (3, 5000, 0)], "line 14: duration is 5000 .*above an hour"),
        ([*REGULAR[:2], (np.nan, 5, 0), *REGULAR], "line 4: onset is nan"),
        ([*REGULAR[:2], (3, np.inf, 0), *REGULAR], "line 4: duration is inf"),
    ],
)
def test_times_of_events_that_cannot_be(rows, message):
    with pytest.raises(InputError, match=rf"events.tsv: .*{message}"):
        timed(*rows)


def test_an_impulse_is_the_limit_of_short_events():
    """The area of an event of 1 s, wherever its onset lies between rows of the grid."""
    onset, values = np.array([7.3, 50.0]), np.array([[1.0], [2.0]])
    impulse = hold(onset, np.zeros(2), values, interval=0.2, seconds=60)
    short = hold(onset, np.full(2, 0.01), values * 100, interval=0.2, seconds=60)
    np.testing.assert_allclose(impulse, short, atol=1e-9)
    assert impulse.sum() * 0.2 == pytest.approx(3.0)
    edges = np.array([-0.1, 59.99, 60.0])
    assert hold(edges, np.zeros(3), np.ones((3, 1)), interval=0.2, seconds=60).sum() * 0.2 == pytest.approx(1)


def test_remarks_of_events_and_conditions_come_with_the_fit(lab):
    for run, names in ((0, ["a", "b", "c"]), (1, ["a", "b", "b"])):
        rows = [f"{20 * place + 5}\t{0 if place else 4}\t{names[place % 3]}" for place in range(5)]
        (lab / f"events{run}.tsv").write_text("\n".join(["onset\tduration\ttrial_type", *rows, ""]))
    runs = [
        {"subject": "s1", "run": run, "bold": f"run{run}.nii.gz", "events": f"events{run}.tsv"}
        for run in (0, 1)
    ]
    features = {"kind": "events", "conditions": ["a", "b", "c", "never"]}
    remarks = remarks_of(lab, runs=runs, features=features, hrf="spm")
    assert [(row["kind"], row["about"], row["source"]) for row in remarks] == [
        ("events-duration", "0", "events0.tsv"),
        ("events-duration", "1", "events1.tsv"),
        ("constant-features", "", "events0.tsv"),
        ("constant-features", "0", "events0.tsv"),
    ]
    assert "the column never without change in any run" in remarks[2]["text"]
    assert "the column c in this run only" in remarks[3]["text"]


# Features and voxels


def test_features_that_do_not_change(lab):
    features = np.load(lab / "features.npy")
    features[VOLUMES:] = 3.0
    np.save(lab / "features.npy", features)
    (remark,) = remarks_of(lab)
    assert (remark["about"], remark["source"]) == ("1", "features.npy")
    assert "no feature that changes in this run" in remark["text"]
    features[:] = 3.0
    np.save(lab / "features.npy", features)
    with pytest.raises(InputError, match=r"features.npy: its features are the same at all times"):
        fit(configured(lab), progress=Silent())


def test_voxels_that_say_nothing_are_left_out_of_every_run(lab, tmp_path):
    image = nibabel.load(lab / "run1.nii.gz")
    bold = np.asarray(image.dataobj).copy()
    bold[0, 0, 0, 5], bold[1, 0, 0, :] = np.inf, np.nan
    bold[2:4] = 0.0
    broken = nibabel.Nifti1Image(bold, image.affine, image.header)
    nibabel.save(broken, lab / "run1.nii.gz")
    (item,) = fit(configured(lab), progress=Silent()).artifacts
    assert item.metrics["n_dropped"] == 4
    said = [(row["kind"], row["about"], row["source"], row["text"][:60]) for row in item.metrics["remarks"]]
    assert [(row[0], row[1], row[2]) for row in said] == [
        ("bold-values", "ROI", "run1.nii.gz"),
        ("constant-voxels", "ROI", "run1.nii.gz"),
    ]
    assert "not numbers in 2 of 8" in said[0][3]
    assert "never changes in 2 of 8" in said[1][3]
    brain = {"brain": {"mask": "mask.nii.gz", "chunk": 3}, "penalties": [1.0]}
    (mapped,) = map_brain(configured(lab, **brain), out=tmp_path / "maps", progress=Silent())
    assert mapped["constant_voxels"] == 4
    assert [row["text"] for row in mapped["remarks"]] == [row["text"] for row in item.metrics["remarks"]]
    with pytest.raises(InputError, match="2 of 8 voxels"):
        map_brain(configured(lab, **brain, strict=True), out=tmp_path / "maps", progress=Silent())
    with pytest.raises(InputError, match="2 of 8 voxels"):
        map_brain(configured(lab, **brain, strict=True), out=tmp_path / "anew", progress=Silent())
    assert not list((tmp_path / "anew").glob("sub-*"))
    bold[...] = np.nan
    nibabel.save(nibabel.Nifti1Image(bold, image.affine, image.header), lab / "run1.nii.gz")
    with pytest.raises(InputError, match=r"run1.nii.gz: .*not numbers in every voxel"):
        map_brain(configured(lab, **brain), out=tmp_path / "maps", progress=Silent())


def test_families_keep_the_remarks_of_each_subject(lab):
    runs = [
        {"subject": subject, "run": run, "bold": f"run{run}.nii.gz"}
        for subject in ("a", "b")
        for run in (0, 1)
    ]
    sidecar(lab, 1, SliceTiming=[0.0, 1.5])
    shared = {"model": "shared", "shared": {"dimensions": 1}, "penalties": [1.0]}
    items = fit(configured(lab, runs=runs, **shared), progress=Silent()).artifacts
    assert [(item.subject, [row["kind"] for row in item.metrics["remarks"]]) for item in items] == [
        ("a", ["slice-timing"]),
        ("b", ["slice-timing"]),
    ]
    with pytest.raises(InputError, match=r"sub-a: has remarks: 1: run1.nii.gz"):
        fit(configured(lab, runs=runs, strict=True, **shared), progress=Silent())


def test_short_runs_are_said(lab):
    runs = [
        {"subject": "s1", "run": name, "bold": f"run{name[0]}.nii.gz", "volumes": volumes}
        for name, volumes in (("0", [0, 60]), ("1", [0, 60]), ("1b", [0, 12]))
    ]
    np.save(lab / "features.npy", slow(generator(1, "more"), 132, 2, 4))
    remarks = remarks_of(lab, runs=runs)
    assert [(row["kind"], row["about"]) for row in remarks] == [("run-length", "1b")] * 2
    assert "has 12 volumes, and runs of sub-s1 usually 60" in remarks[0]["text"]
    assert "lasts 24 s" in remarks[1]["text"]
