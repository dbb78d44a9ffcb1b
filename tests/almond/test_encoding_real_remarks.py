"""Published files of four laboratories through a fit: the number, the remarks, or why it stops.

Runs where ``ALMOND_REAL_DATA`` names a folder that holds them.
"""

import os
import shutil
from pathlib import Path

import nibabel
import numpy as np
import pytest

from almond.encoding.bold.bids import find_runs
from almond.encoding.bold.run_headers import repetition_time, start_time
from almond.encoding.pipeline.fit import fit, parse_config
from almond.errors import InputError
from almond.progress import Silent
from almond.remarks import Remarks
from almond.rng import generator

DATA = Path(os.environ.get("ALMOND_REAL_DATA", ""))
HAXBY = DATA / "haxby2001_pymvpa" / "haxby2001" / "sub001"
NNDB = "500daysofsummer"
FOLDERS = ("bids_ds105", "haxby2001_pymvpa", "tedana_multiecho", "nibabel_examples", "nndb_ds002837")

pytestmark = pytest.mark.skipif(
    "ALMOND_REAL_DATA" not in os.environ or not all((DATA / name).is_dir() for name in FOLDERS),
    reason=f"ALMOND_REAL_DATA has not all of {', '.join(FOLDERS)}",
)


def fitted(folder, **mapping):
    """Artifacts by region, and (kind, about, text) of all remarks."""
    values = {"model": "ridge", "null_control": False, **mapping}
    items = fit(parse_config(values, folder), progress=Silent()).artifacts
    rows = [row for item in items for row in item.metrics.get("remarks", ())]
    return {item.region: item for item in items}, [(row["kind"], row["about"], row["text"]) for row in rows]


def ds105(folder, change=lambda text: text):
    """The events of ds105 with the BOLD of the same person at 25 mm, under the names of BIDS."""
    func = folder / "ds" / "sub-1" / "func"
    func.mkdir(parents=True)
    source = DATA / "bids_ds105"
    shutil.copyfile(source / "task-objectviewing_bold.json", folder / "ds" / "task-objectviewing_bold.json")
    for run in range(1, 13):
        name = f"sub-1_task-objectviewing_run-{run:02d}"
        bold = HAXBY / "BOLD" / f"task001_run{run:03d}" / "bold_25mm.nii.gz"
        shutil.copyfile(bold, func / f"{name}_bold.nii.gz")
        text = (source / "sub-1" / "func" / f"{name}_events.tsv").read_text()
        (func / f"{name}_events.tsv").write_text(change(text))
    folder = HAXBY / "masks" / "25mm"
    masks = {"vt": str(folder / "vt.nii.gz"), "hoc": {"map": str(folder / "hoc.nii.gz"), "above": 0}}
    return {"dataset": "ds", "features": "events", "regions": masks, "crossvalidation": "runs"}


def test_ds105_is_fitted_without_a_remark(tmp_path):
    items, remarks = fitted(tmp_path, **ds105(tmp_path), strict=True)
    assert remarks == []
    assert items["vt"].metrics["heldout_r"]["mean"] == pytest.approx(0.504, abs=0.005)
    assert items["hoc"].metrics["heldout_r"]["mean"] == pytest.approx(0.115, abs=0.005)


def rewritten(onset=lambda value: value, duration=lambda value: value):
    def change(text):
        head, *rows = text.strip().split("\n")
        cells = [row.split("\t") for row in rows]
        lines = [f"{onset(float(row[0])):g}\t{duration(float(row[1])):g}\t{row[2]}" for row in cells]
        return "\n".join([head, *lines, ""])

    return change


def test_ds105_with_impulses_differs_little_and_says_so(tmp_path):
    """Pictures of half a second are nearly impulses: all columns are twice as large, and as long."""
    items, remarks = fitted(tmp_path, **ds105(tmp_path, rewritten(duration=lambda value: 0.0)))
    assert [kind for kind, _, _ in remarks] == ["events-duration"] * 24  # runs x regions
    assert items["vt"].metrics["heldout_r"]["mean"] == pytest.approx(0.504, abs=0.02)


def test_ds105_in_milliseconds_or_volumes(tmp_path):
    late = tmp_path / "milliseconds"
    late.mkdir()
    with pytest.raises(InputError, match=r"run-01_events.tsv: has 9\d of 96 events outside .* milliseconds"):
        fitted(late, **ds105(late, rewritten(onset=lambda value: 1000 * value)))
    volumes = tmp_path / "volumes"
    volumes.mkdir()
    _, remarks = fitted(volumes, **ds105(volumes, rewritten(onset=lambda value: value / 2.5)))
    assert {kind for kind, _, _ in remarks} == {"events-early"}


def test_tedana_echoes_are_too_short_to_mean_anything(tmp_path):
    np.save(tmp_path / "features.npy", generator(1, "tedana").standard_normal((15, 2)))
    echoes = [
        {"subject": "1", "run": f"echo-{echo}", "bold": str(DATA / "tedana_multiecho" / f"echo{echo}.nii.gz")}
        for echo in (1, 2, 3)
    ]
    _, remarks = fitted(
        tmp_path,
        runs=echoes,
        features={"kind": "table", "path": "features.npy"},
        regions={"mask": str(DATA / "tedana_multiecho" / "mask.nii.gz")},
        crossvalidation="runs",
    )
    short = "lasts 10 s, less than the response to one event (32 s); it was used"
    assert [row for row in remarks if row[0] == "run-length"] == [
        ("run-length", f"echo-{echo}", short) for echo in (1, 2, 3)
    ]


def test_the_header_of_nibabels_example_calls_milliseconds_seconds(tmp_path):
    np.save(tmp_path / "features.npy", np.array([[1.0, 0.0, 2.0], [2.0, 5.0, 1.0]]))
    bold = DATA / "nibabel_examples" / "example4d.nii.gz"
    image = nibabel.load(bold)
    mask = (np.asarray(image.dataobj[..., 0]) > 300).astype(np.uint8)
    nibabel.save(nibabel.Nifti1Image(mask, image.affine), tmp_path / "mask.nii.gz")
    mapping = {
        "runs": [{"subject": "1", "run": 1, "bold": str(bold)}],
        "features": {"kind": "table", "path": "features.npy"},
        "regions": {"mask": "mask.nii.gz"},
        "folds": 2,
        "gap": 0,
        "detrend": "none",
    }
    with pytest.raises(InputError, match=r"example4d.nii.gz: has a repetition time of 2000 s"):
        fitted(tmp_path, **mapping)
    with pytest.raises(InputError, match=r"has remarks: 1: example4d.nii.gz has .* 2 s of tr: were used"):
        fitted(tmp_path, **mapping, tr=2.0, strict=True)
    epi = {"subject": "1", "run": 1, "bold": str(DATA / "nibabel_examples" / "someones_epi.nii.gz")}
    with pytest.raises(InputError, match=r"someones_epi.nii.gz: has shape \(53, 61, 33\)"):
        fitted(tmp_path, **{**mapping, "runs": [epi]}, tr=2.0)


def test_nndb_metadata_say_why_there_is_nothing_to_fit_and_leave_no_doubt_about_times(tmp_path):
    source = DATA / "nndb_ds002837"
    with pytest.raises(InputError, match=r"nndb_ds002837: holds no BOLD run"):
        find_runs(source, NNDB)
    func = tmp_path / "sub-1" / "func"
    func.mkdir(parents=True)
    name = f"sub-1_task-{NNDB}_run-01_bold"
    shutil.copyfile(source / "sub-1" / "func" / f"{name}.json", func / f"{name}.json")
    shutil.copyfile(source / f"task-{NNDB}_bold.json", tmp_path / f"task-{NNDB}_bold.json")
    image = nibabel.Nifti1Image(np.zeros((2, 2, 2, 5), np.float32), np.eye(4))
    image.header.set_zooms((3, 3, 3, 1))
    nibabel.save(image, func / f"{name}.nii.gz")
    (run,) = find_runs(tmp_path, NNDB)
    remarks = Remarks()
    # Slices up to .9 s after the start, in volumes of 1 s: nothing to worry about.
    assert (repetition_time(run, None, remarks), start_time(run, 1.0, None, remarks)) == (1.0, 0.0)
    assert run.timing.last_slice == 0.9025
    assert len(remarks) == 0
