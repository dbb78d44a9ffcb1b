"""Regions from published atlases and templates, which ``ALMOND_REAL_DATA`` holds."""

import os
from pathlib import Path

import nibabel
import numpy as np
import pytest

from almond.encoding.bold.nifti import Grid, grid_of, load_nifti
from almond.encoding.config.regions import MapSpec, Regions, RegionSpec
from almond.encoding.regions.atlas import label_table
from almond.encoding.regions.resolve import load_region, resolve_regions
from almond.errors import InputError
from tests.almond.sections import part_of

DATA = Path(os.environ.get("ALMOND_REAL_DATA", ""))
TIAN = "tian2020/Tian_Subcortex_{scale}_3T_{grid}.nii.gz"
SPM = "neuromorphometrics/labels_Neuromorphometrics.nii.gz"
SPM_LABELS = "neuromorphometrics/labels_Neuromorphometrics.xml"
HAXBY = "haxby2001_pymvpa/haxby2001/sub001"
AMYGDALA = {
    "S1": {"AMY-rh": 2, "AMY-lh": 10},
    "S2": {"lAMY-rh": 3, "mAMY-rh": 4, "lAMY-lh": 19, "mAMY-lh": 20},
    "S3": {"lAMY-rh": 19, "mAMY-rh": 20, "lAMY-lh": 44, "mAMY-lh": 45},
    "S4": {"lAMY-rh": 21, "mAMY-rh": 22, "lAMY-lh": 48, "mAMY-lh": 49},
}

pytestmark = pytest.mark.skipif(
    "ALMOND_REAL_DATA" not in os.environ or not (DATA / "tian2020").is_dir(),
    reason="ALMOND_REAL_DATA has no tian2020",
)


def tian(scale, names, grid="1mm", **more):
    table = f"tian2020/Tian_Subcortex_{scale}_3T_label.txt"
    return {"atlas": TIAN.format(scale=scale, grid=grid), "labels": list(names), "table": table, **more}


def grid(name):
    return grid_of(load_nifti(DATA / name), DATA / name)


def mni(size):
    """A grid of the MNI space with voxels of ``size`` mm, as pipelines write it."""
    affine = np.diag([-size, size, size, 1.0])
    affine[:3, 3] = [90, -126, -72]
    return Grid(tuple(int(length / size) + 1 for length in (181, 217, 181)), affine)


def made(value, on):
    specs, problems = part_of(Regions, value, DATA, at="regions", shape=RegionSpec)
    assert problems == []
    return resolve_regions(specs, on if isinstance(on, Grid) else grid(on))


def millilitres(region):
    return len(region.voxels) * abs(np.linalg.det(region.grid.affine[:3, :3])) / 1000


def as_set(region):
    return set(map(tuple, region.voxels.tolist()))


def millimetres(region):
    return region.voxels @ region.grid.affine[:3, :3].T + region.grid.affine[:3, 3]


@pytest.mark.parametrize("scale", AMYGDALA)
def test_lines_of_tian_label_files_are_the_values(scale):
    table = label_table(DATA / f"tian2020/Tian_Subcortex_{scale}_3T_label.txt")
    assert len(table) == {"S1": 16, "S2": 32, "S3": 50, "S4": 54}[scale]
    numbers = {name: number for number, name in table.items()}
    assert {name: numbers[name] for name in AMYGDALA[scale]} == AMYGDALA[scale]
    # The published centres of gravity are one line per value.
    centres = np.loadtxt(DATA / f"tian2020/Tian_Subcortex_{scale}_3T_COG.txt")
    for name, number in AMYGDALA[scale].items():
        region = made({"a": tian(scale, [name], "1mm")}, TIAN.format(scale=scale, grid="1mm"))["a"]
        assert np.abs(millimetres(region).mean(axis=0) - centres[number - 1]).max() < 2.5


@pytest.mark.parametrize("space", ["1mm", "2009cAsym"])
@pytest.mark.parametrize("scale", ["S2", "S3", "S4"])
def test_lateral_and_medial_make_the_whole_amygdala(scale, space):
    regions = made(
        {
            "whole": tian("S1", AMYGDALA["S1"], space),
            "lateral": tian(scale, ["lAMY-rh", "lAMY-lh"], space),
            "medial": tian(scale, ["mAMY-rh", "mAMY-lh"], space),
            "both": {"union": ["lateral", "medial"]},
            "rest": {"difference": ["whole", "lateral"]},
        },
        TIAN.format(scale="S1", grid=space),
    )
    assert as_set(regions["both"]) == as_set(regions["whole"])
    assert as_set(regions["rest"]) == as_set(regions["medial"])
    assert not as_set(regions["lateral"]) & as_set(regions["medial"])
    assert 2.5 < millilitres(regions["whole"]) < 7.0
    assert not any(region.resampled for region in regions.values())


def test_sides_are_the_labelled_hemispheres():
    regions = made(
        {
            "rh": tian("S1", ["AMY-rh"]),
            "lh": tian("S1", ["AMY-lh"]),
            "right": tian("S1", AMYGDALA["S1"], side="right"),
            "left": tian("S1", AMYGDALA["S1"], side="left"),
        },
        TIAN.format(scale="S1", grid="1mm"),
    )
    assert as_set(regions["right"]) == as_set(regions["rh"])
    assert as_set(regions["left"]) == as_set(regions["lh"])
    assert (millimetres(regions["left"])[:, 0] < 0).all()


@pytest.mark.parametrize("size", [1.5, 2.0, 3.0])
def test_volumes_survive_resampling(size):
    regions = made(
        {
            "tian": tian("S1", AMYGDALA["S1"]),
            "spm": {"atlas": SPM, "labels": [31, 32]},
            "hippocampus": tian("S1", ["HIP-rh", "HIP-lh"]),
        },
        mni(size),
    )
    for name, expected in (("tian", AMYGDALA["S1"].values()), ("hippocampus", (1, 9))):
        atlas = nibabel.load(DATA / TIAN.format(scale="S1", grid="1mm")).get_fdata()
        volume = np.isin(atlas, list(expected)).sum() / 1000
        assert regions[name].resampled
        assert regions[name].lost == 0
        assert millilitres(regions[name]) == pytest.approx(volume, rel=0.08)
        np.testing.assert_allclose(
            millimetres(regions[name]).mean(axis=0),
            np.argwhere(np.isin(atlas, list(expected))).mean(axis=0) * [-1, 1, 1] + [90, -126, -72],
            atol=size / 2 + 0.05,
        )
    one, other = as_set(regions["tian"]), as_set(regions["spm"])
    # Two atlases, made apart, of one structure in one space; SPM's is drawn less than half as large.
    assert len(one & other) / len(other) > 0.8
    assert 2.0 < millilitres(regions["spm"]) < 3.0


def test_amygdala_of_spm_by_name_number_and_side():
    regions = made(
        {
            "right": {"atlas": SPM, "labels": ["Right Amygdala"], "table": SPM_LABELS},
            "left": {"atlas": SPM, "labels": [32]},
            "by side": {"atlas": SPM, "labels": [31, 32], "side": "left"},
        },
        SPM,
    )
    assert label_table(DATA / SPM_LABELS)[31] == "Right Amygdala"
    assert as_set(regions["by side"]) == as_set(regions["left"])
    assert (millimetres(regions["right"])[:, 0] > 0).all()
    assert 0.6 < millilitres(regions["left"]) < 2.0
    with pytest.raises(InputError, match=r"has no label Amygdala .*Right Amygdala, Left Amygdala"):
        made({"a": {"atlas": SPM, "labels": ["Amygdala"], "table": SPM_LABELS}}, SPM)


def test_control_regions_and_a_map_of_a_group():
    regions = made(
        {
            "occipital": {
                "atlas": SPM,
                "labels": ["Right Calc calcarine cortex", "Left Calc calcarine cortex"],
                "table": SPM_LABELS,
            },
            "active": {"map": "mni152/image_10426.nii.gz", "above": 3},
            "left": {"map": "mni152/image_10426.nii.gz", "above": 3, "side": "left"},
            "grey": {"map": "mni152/mni_icbm152_gm_tal_nlin_sym_09a_converted.nii.gz", "above": 128},
            "inside": {"difference": ["active", {"difference": ["active", "grey"]}]},
        },
        "mni152/image_10426.nii.gz",
    )
    values = nibabel.load(DATA / "mni152/image_10426.nii.gz").get_fdata()
    assert len(regions["active"].voxels) == (values > 3).sum()
    assert as_set(regions["left"]) < as_set(regions["active"])
    assert as_set(regions["inside"]) <= as_set(regions["grey"])
    assert 400 < millilitres(regions["grey"]) < 1100
    assert len(regions["inside"].voxels) > 0
    # The calcarine cortex lies at the back, near the midline.
    middle = millimetres(regions["occipital"]).mean(axis=0)
    assert np.abs(middle - [0, -75, 8]).max() < 10


def test_haxby_masks_lie_on_the_grid_of_their_runs():
    bold = f"{HAXBY}/BOLD/task001_run001/bold_25mm.nii.gz"
    files = {name: f"{HAXBY}/masks/25mm/{name}.nii.gz" for name in ("vt", "brain", "gray", "white", "hoc")}
    masks = {name: files[name] for name in ("vt", "brain", "gray", "white")}
    labels = {"map": files["hoc"], "above": 0}
    regions = made({**masks, "hoc": labels, "outside": {"difference": ["brain", "vt"]}}, bold)
    with pytest.raises(InputError, match=r"hoc\.nii\.gz: is no mask: beside 0 it has 21 values \(1, 3, 4"):
        made({"labels": files["hoc"]}, bold)
    assert not any(region.resampled for region in regions.values())
    assert as_set(regions["vt"]) <= as_set(regions["brain"])
    assert len(regions["outside"].voxels) == len(regions["brain"].voxels) - len(regions["vt"].voxels)


def test_an_atlas_on_raw_runs_says_that_the_spaces_differ():
    """Scanner coordinates: nothing proves the mistake, but the headers do not agree."""
    region = made({"a": {"atlas": SPM, "labels": [31, 32]}}, "tedana_multiecho/echo1.nii.gz")["a"]
    assert "in mni coordinates, the BOLD's header says scanner coordinates" in region.warning
    with pytest.raises(InputError, match=r"nothing of the region is left|no part of it overlaps"):
        made({"a": {"atlas": SPM, "labels": [31, 32]}}, "haxby2001_pymvpa/bold.nii.gz")
    whole = MapSpec(map=DATA / TIAN.format(scale="S1", grid="1mm"), above=0)
    assert load_region("whole", whole, mni(2.0)).remarks == ()
