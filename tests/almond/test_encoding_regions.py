"""Regions: what a configuration says, what the images hold, and what is left on the grid of the BOLD."""

import json
import subprocess
import sys
from pathlib import Path

import nibabel
import numpy as np
import pytest
import yaml
from nibabel.processing import resample_from_to

from almond.digest import digest_file
from almond.encoding.bold.nifti import Grid, grid_of, load_nifti
from almond.encoding.config.paths import BASE
from almond.encoding.config.regions import (
    DifferenceSpec,
    MaskSpec,
    ReferenceSpec,
    RegionSpec,
    UnionSpec,
    read_regions,
)
from almond.encoding.regions.atlas import label_table
from almond.encoding.regions.regridding import field_of_view_overlaps, onto_grid
from almond.encoding.regions.resolve import bold_grid, load_region, on_side, resolve_regions
from almond.errors import InputError
from almond.rng import generator
from almond.shapes import Contradictions, joined
from tests.almond.sections import part_of

AFFINE = np.array([[-2.0, 0, 0, 19.0], [0, 2.0, 0, -20.0], [0, 0, 2.0, -16.0], [0, 0, 0, 1.0]])
SHAPE = (20, 20, 16)


def write(path, values, affine=AFFINE, kind=np.float32):
    nibabel.save(nibabel.Nifti1Image(np.asarray(values, kind), affine), path)
    return path


@pytest.fixture
def folder(tmp_path):
    """A mask, an atlas with a label table and a map on one grid; a finer atlas in the same place."""
    rng = generator(1, "regions")
    atlas = np.zeros(SHAPE)
    atlas[4:8, 6:12, 5:9], atlas[12:16, 6:12, 5:9], atlas[8:12, 6:12, 5:9] = 1, 2, 7
    write(tmp_path / "atlas.nii.gz", atlas)
    (tmp_path / "names.tsv").write_text("index\tname\n1\tAMY-rh\n2\tAMY-lh\n7\tbrain stem\n")
    write(tmp_path / "mask.nii.gz", atlas == 2)
    write(tmp_path / "map.nii.gz", rng.standard_normal(SHAPE))
    fine = np.array([[-1.0, 0, 0, 19.5], [0, 1.0, 0, -20.5], [0, 0, 1.0, -16.5], [0, 0, 0, 1.0]])
    write(tmp_path / "fine.nii.gz", np.kron(atlas, np.ones((2, 2, 2))), fine)
    return tmp_path


def grid(path):
    return grid_of(load_nifti(path), path)


def parsed(value, folder):
    try:
        return read_regions(value, {BASE: folder}), []
    except Contradictions as error:
        return {}, [f"{joined('regions', path)}: {problem}" for path, problem in error.problems]
    except ValueError as error:
        return {}, [f"regions: {error}"]


def made(value, folder, on="mask.nii.gz"):
    specs, problems = parsed(value, folder)
    assert problems == []
    return resolve_regions(specs, grid(folder / on))


def as_set(region):
    return set(map(tuple, region.voxels.tolist()))


def image(path):
    return nibabel.load(path).get_fdata()


def test_every_form_gives_the_voxels_that_it_says(folder):
    regions = made(
        {
            "mask": "mask.nii.gz",
            "number": {"atlas": "atlas.nii.gz", "labels": [2]},
            "name": {"atlas": "atlas.nii.gz", "labels": ["AMY-lh"], "table": "names.tsv"},
            "both": {"atlas": "atlas.nii.gz", "labels": ["AMY-lh", 1], "table": "names.tsv"},
            "high": {"map": "map.nii.gz", "above": 1.5},
            "band": {"map": "map.nii.gz", "above": 0.5, "below": 1.0},
            "joined": {"union": ["mask", {"atlas": "atlas.nii.gz", "labels": 7}]},
            "rest": {"difference": ["joined", "mask"]},
            "left": {"union": ["both"], "side": "left"},
            "right": {"atlas": "atlas.nii.gz", "labels": [1, 2], "side": "right"},
        },
        folder,
    )
    atlas, values = image(folder / "atlas.nii.gz"), image(folder / "map.nii.gz")
    expected = {
        "mask": atlas == 2,
        "number": atlas == 2,
        "name": atlas == 2,
        "both": (atlas == 1) | (atlas == 2),
        "high": values > 1.5,
        "band": (values > 0.5) & (values < 1.0),
        "joined": (atlas == 2) | (atlas == 7),
        "rest": atlas == 7,
        # x falls with the first index: label 2 lies at negative x.
        "left": atlas == 2,
        "right": atlas == 1,
    }
    for name, inside in expected.items():
        np.testing.assert_array_equal(regions[name].voxels, np.argwhere(inside), err_msg=name)
        assert not regions[name].resampled
        assert regions[name].lost == 0
        assert regions[name].warning is None


def test_sides_leave_the_midline_out():
    affine = np.diag([2.0, 2.0, 2.0, 1.0])
    affine[0, 3] = -4.0
    of_five = Grid((5, 1, 1), affine)
    assert on_side(of_five, "left").ravel().tolist() == [True, True, False, False, False]
    assert on_side(of_five, "right").ravel().tolist() == [False, False, False, True, True]
    turned = np.array([[0, 0, 3.0, -4.0], [3.0, 0, 0, 0], [0, 3.0, 0, 0], [0, 0, 0, 1.0]])
    assert on_side(Grid((2, 2, 3), turned), "left")[:, :, :2].all()
    assert not on_side(Grid((2, 2, 3), turned), "left")[:, :, 2].any()


@pytest.mark.parametrize("seed", range(4))
def test_resampling_equals_nibabel(seed):
    """Against scipy's spline of order 0 through nibabel, on oblique grids of other sizes and places."""
    rng = generator(seed, "oblique")
    turn = np.linalg.qr(rng.standard_normal((3, 3)))[0]
    source_affine, target_affine = np.eye(4), np.eye(4)
    source_affine[:3, :3] = turn * [1.3, 0.9, 1.7]
    target_affine[:3, :3] = np.linalg.qr(rng.standard_normal((3, 3)))[0] * [2.1, 2.4, 1.1]
    shape, other = (22, 30, 17), (14, 13, 25)
    for affine, size in ((source_affine, shape), (target_affine, other)):
        affine[:3, 3] = -affine[:3, :3] @ ((np.array(size) - 1) / 2) + rng.uniform(-2, 2, 3)
    values = (rng.random(shape) < 0.4) & (np.indices(shape).sum(axis=0) > 20)
    reference = resample_from_to(
        nibabel.Nifti1Image(values.astype(np.float32), source_affine),
        (other, target_affine),
        order=0,
        mode="constant",
    ).get_fdata()
    found, outside = onto_grid(values, Grid(shape, source_affine), Grid(other, target_affine))
    # scipy gives 0 to centres within half a voxel outside the outermost source centres; halves may go either
    # way.
    places = np.indices(other).reshape(3, -1).T @ target_affine[:3, :3].T + target_affine[:3, 3]
    index = (places - source_affine[:3, 3]) @ np.linalg.inv(source_affine[:3, :3]).T
    inner = ((index >= 0) & (index <= np.array(shape) - 1)).all(axis=1)
    inner &= (np.abs(index - np.floor(index) - 0.5) > 1e-3).all(axis=1)
    inner = inner.reshape(other)
    np.testing.assert_array_equal(found[inner], reference[inner] > 0)
    assert found.sum() > 100
    mm = np.argwhere(values) @ source_affine[:3, :3].T + source_affine[:3, 3]
    there = (mm - target_affine[:3, 3]) @ np.linalg.inv(target_affine[:3, :3]).T
    lost = ((there < -0.5) | (there > np.array(other) - 0.5)).any(axis=1)
    assert outside == lost.sum()


def test_resampled_atlas_is_the_coarse_one(folder):
    """Every coarse voxel holds eight fine ones of the same label, so that nearest neighbour must give it."""
    regions = made(
        {
            "fine": {"atlas": "fine.nii.gz", "labels": [2]},
            "coarse": "mask.nii.gz",
            "mixed": {"union": [{"atlas": "fine.nii.gz", "labels": [1]}, "coarse"]},
        },
        folder,
    )
    assert as_set(regions["fine"]) == as_set(regions["coarse"])
    assert regions["fine"].resampled
    assert regions["mixed"].resampled
    assert len(regions["mixed"].voxels) == 2 * len(regions["coarse"].voxels)


def test_what_lies_outside_the_field_of_view_is_told(folder):
    half = AFFINE.copy()
    half[1, 3] += 2.0 * 9
    write(folder / "slab.nii.gz", np.zeros((20, 11, 16)), half)
    regions = made({"a": {"atlas": "atlas.nii.gz", "labels": [2]}}, folder, on="slab.nii.gz")
    assert regions["a"].lost == pytest.approx(0.5)
    assert "50.0% of a lies outside the field of view" in regions["a"].warning
    assert len(regions["a"].voxels) == 4 * 3 * 4
    notes = regions["a"].notes()
    assert (notes["resampled"], notes["lost"]) == (True, 0.5)
    assert notes["region_warning"] == regions["a"].warning
    assert made({"a": "mask.nii.gz"}, folder)["a"].notes() == {}


def test_spaces_that_do_not_fit_are_refused_with_both_affines(folder):
    far = AFFINE.copy()
    far[2, 3] += 500
    write(folder / "far.nii.gz", np.ones(SHAPE), far)
    with pytest.raises(InputError, match=r"no part of it overlaps.*484\.0.*-16\.0"):
        made({"a": "far.nii.gz"}, folder)
    beside = AFFINE.copy()
    beside[0, 3] -= 30
    one = np.zeros(SHAPE)
    one[-1, 3, 3] = 1
    write(folder / "beside.nii.gz", one, beside)
    with pytest.raises(InputError, match=r"nothing of the region is left.*-11\.0.*19\.0"):
        made({"a": "beside.nii.gz"}, folder)
    with pytest.raises(InputError, match=r"shape \(40, 40, 32\).*shape \(20, 20, 16\).*resample: false"):
        made({"a": {"atlas": "fine.nii.gz", "labels": [1], "resample": False}}, folder)
    with pytest.raises(InputError, match="resample: false"):
        made({"a": {"union": [{"atlas": "fine.nii.gz", "labels": [1]}], "resample": False}}, folder)


def test_names_of_spaces_must_agree(folder):
    values = image(folder / "mask.nii.gz")
    write(folder / "tpl_space-MNI152NLin6Asym_mask.nii.gz", values)
    write(folder / "sub-1_space-T1w_bold.nii.gz", values)
    bold = "sub-1_space-T1w_bold.nii.gz"
    with pytest.raises(InputError, match=r"space MNI152NLin6Asym, the BOLD in T1w.*affine.*affine"):
        made({"a": "tpl_space-MNI152NLin6Asym_mask.nii.gz"}, folder, on=bold)
    with pytest.raises(InputError, match="space MNI, the BOLD in T1w"):
        made({"a": {"union": ["mask.nii.gz"], "space": "MNI"}}, folder, on=bold)
    write(folder / "tpl-MNI152NLin6Asym_res-01_mask.nii.gz", values)
    with pytest.raises(InputError, match="space MNI152NLin6Asym, the BOLD in T1w"):
        made({"a": "tpl-MNI152NLin6Asym_res-01_mask.nii.gz"}, folder, on=bold)
    said = {"mask": "tpl_space-MNI152NLin6Asym_mask.nii.gz", "space": "t1w"}
    assert len(made({"a": said}, folder, on=bold)["a"].voxels) == 96
    assert len(made({"a": "mask.nii.gz"}, folder, on=bold)["a"].voxels) == 96


def test_standard_space_on_scanner_coordinates_is_remarked(folder):
    for name, code in (("mni.nii.gz", 4), ("scan.nii.gz", 1)):
        made_image = nibabel.Nifti1Image(
            image(folder / "fine.nii.gz" if code == 4 else folder / "mask.nii.gz"), None
        )
        made_image.set_sform(
            nibabel.load(folder / ("fine.nii.gz" if code == 4 else "mask.nii.gz")).affine, code
        )
        nibabel.save(made_image, folder / name)
    region = made({"a": {"map": "mni.nii.gz", "above": 0}}, folder, on="scan.nii.gz")["a"]
    assert region.warning == "mni.nii.gz is in mni coordinates, the BOLD's header says scanner coordinates"


def test_mistakes_in_a_configuration_are_reported_at_once(folder):
    _, problems = parsed(
        {
            "a": "nowhere.nii.gz",
            "b": {"atlas": "atlas.nii.gz", "labels": ["AMY"]},
            "c": {"map": "map.nii.gz"},
            "d": {"union": ["lokked", "mask.nii.gz"]},
            "looked": {"difference": ["mask.nii.gz"]},
            "e": {"mask": "mask.nii.gz", "atlas": "atlas.nii.gz"},
            "f": {"mask": "mask.nii.gz", "side": "top", "resample": "no", "spaec": "x"},
            "g": {"atlas": "atlas.nii.gz", "labels": [0, True]},
            "h": 5,
            "i": {"union": ["j"]},
            "j": {"difference": ["mask.nii.gz", {"union": ["i"]}]},
            "k": {"union": ["k"]},
        },
        folder,
    )
    text = "\n".join(problems)
    for expected in (
        "regions.a: file not found",
        "regions.b.table: is missing: labels by name need",
        "regions.c: is a map without a threshold",
        "regions.d.union[0]: lokked is neither the name of a region nor a NIfTI file; did you mean looked?",
        "regions.looked.difference: is not a list of 2 or more regions",
        "regions.e: needs exactly one of mask, atlas, map, union, difference",
        "regions.f.side: is 'top', not one of left, right",
        "regions.f.resample: is 'no', not true or false",
        "regions.f.spaec: unknown setting; did you mean space?",
        "regions.g.labels: is not a list of label numbers (not 0) or names",
        "regions.h: is neither a mask file nor a mapping",
        "regions.i: is made of itself: i -> j -> i",
        "regions.k: is made of itself: k -> k",
    ):
        assert expected in text
    assert len(problems) == 13
    deep = "mask.nii.gz"
    for _ in range(40):
        deep = {"union": [deep]}
    assert "nested deeper" in parsed({"a": deep}, folder)[1][0]
    assert parsed([], folder)[1]


def test_resolve_checks_what_was_put_together_by_hand(folder):
    here = grid(folder / "mask.nii.gz")
    with pytest.raises(InputError, match=r"regions.a.*a -> b -> a"):
        resolve_regions(
            {
                "a": UnionSpec(union=[ReferenceSpec(region="b")]),
                "b": UnionSpec(union=[ReferenceSpec(region="a")]),
            },
            here,
        )
    with pytest.raises(InputError, match=r"regions.c: is no region \(expected one of a\)"):
        resolve_regions({"a": UnionSpec(union=[ReferenceSpec(region="c")])}, here)
    mask = MaskSpec(mask=folder / "mask.nii.gz")
    with pytest.raises(InputError, match="no voxels left"):
        resolve_regions({"a": DifferenceSpec(difference=[mask, mask])}, here)


def test_unknown_labels_name_their_neighbours(folder):
    with pytest.raises(InputError, match=r"names.tsv: has no label AMY_rh.*AMY-rh, AMY-lh"):
        made({"a": {"atlas": "atlas.nii.gz", "labels": ["AMY_rh"], "table": "names.tsv"}}, folder)
    with pytest.raises(
        InputError, match=r"atlas.nii.gz: has no voxel with the label 3 \(expected one of 1, 2, 7"
    ):
        made({"a": {"atlas": "atlas.nii.gz", "labels": [3]}}, folder)
    assert made({"a": {"atlas": "atlas.nii.gz", "labels": ["amy-RH"], "table": "names.tsv"}}, folder)
    with pytest.raises(InputError, match="not whole numbers"):
        made({"a": {"atlas": "map.nii.gz", "labels": [1]}}, folder)


def test_digests_follow_files_and_specification(folder):
    value = {
        "mask": "mask.nii.gz",
        "one": {"atlas": "atlas.nii.gz", "labels": [1]},
        "two": {"atlas": "atlas.nii.gz", "labels": [2]},
        "left": {"mask": "mask.nii.gz", "side": "left"},
        "joined": {"union": ["one", "two"]},
        "spelled": {
            "union": [{"atlas": "atlas.nii.gz", "labels": [1]}, {"atlas": "atlas.nii.gz", "labels": [2]}]
        },
        "cut": {"difference": ["one", "two"]},
        "high": {"map": "map.nii.gz", "above": 1},
        "higher": {"map": "map.nii.gz", "above": 2},
    }
    first = {name: region.digest for name, region in made(value, folder).items()}
    assert first["mask"] == digest_file(folder / "mask.nii.gz")
    assert first["joined"] == first["spelled"]
    assert len(set(first.values())) == len(first) - 1
    assert all(len(digest) == 64 for digest in first.values())
    write(
        folder / "atlas.nii.gz",
        np.where(image(folder / "atlas.nii.gz") == 7, 1, image(folder / "atlas.nii.gz")),
    )
    second = {name: region.digest for name, region in made(value, folder).items()}
    changed = {name for name in first if first[name] != second[name]}
    assert changed == {"one", "two", "joined", "spelled", "cut"}


def test_specifications_are_json_without_folders(folder):
    specs, _ = parsed(
        {
            "a": {
                "union": [{"atlas": "atlas.nii.gz", "labels": ["AMY-rh"], "table": "names.tsv"}, "b"],
                "side": "left",
            },
            "b": {"map": "map.nii.gz", "below": -1, "resample": False, "space": "MNI"},
        },
        folder,
    )
    text = json.dumps({name: spec.to_json() for name, spec in specs.items()})
    assert str(folder) not in text
    assert json.loads(text)["a"]["parts"][1] == {"kind": "region", "reference": "b"}
    assert specs["a"].files() == (folder / "atlas.nii.gz", folder / "names.tsv")
    assert list(specs["a"].references()) == ["b"]


def test_a_region_per_subject(folder):
    (folder / "masks").mkdir()
    for subject, size in (("01", 2), ("02", 3)):
        values = np.zeros(SHAPE)
        values[:size, 0, 0] = 1
        write(folder / "masks" / f"sub-{subject}.nii.gz", values)
    specs, problems = parsed({"a": {"union": ["b"]}, "b": "masks/sub-{subject}.nii.gz"}, folder)
    assert problems == []
    here = grid(folder / "mask.nii.gz")
    found = {subject: resolve_regions(specs, here, subject=subject) for subject in ("01", "02")}
    assert [len(found[subject]["a"].voxels) for subject in ("01", "02")] == [2, 3]
    with pytest.raises(InputError, match=r"sub-03.nii.gz: file not found"):
        resolve_regions(specs, here, subject="03")


def test_one_region_without_a_grid_is_on_its_own(folder):
    region = load_region("x", folder / "mask.nii.gz")
    assert (region.name, region.path, len(region.voxels)) == ("x", folder / "mask.nii.gz", 96)
    assert region.spec == MaskSpec(mask=folder / "mask.nii.gz")
    atlas = {"atlas": "fine.nii.gz", "labels": [1]}
    spec, _ = part_of(RegionSpec, atlas, folder, at="regions.x", shape=RegionSpec)
    assert len(load_region("x", spec).voxels) == 96 * 8
    assert len(load_region("x", spec, grid(folder / "mask.nii.gz")).voxels) == 96
    write(folder / "empty.nii.gz", np.full(SHAPE, np.nan))
    with pytest.raises(InputError, match="is empty"):
        load_region("x", folder / "empty.nii.gz")
    flat = bytearray(write(folder / "flat.nii", np.ones(SHAPE)).read_bytes())
    # The third row of the affine in the header (srow_z) and the code of the other affine (qform_code).
    flat[312:328], flat[252:254] = bytes(16), bytes(2)
    (folder / "flat.nii").write_bytes(flat)
    with pytest.raises(InputError, match=r"flat.nii: has an affine without volume"):
        load_region("x", folder / "flat.nii")
    write(folder / "four.nii.gz", np.zeros((*SHAPE, 2)))
    with pytest.raises(InputError, match="a 3-D mask"):
        load_region("x", folder / "four.nii.gz")


def test_runs_of_one_subject_share_their_grid(folder):
    assert bold_grid([folder / "mask.nii.gz", folder / "map.nii.gz"]).shape == SHAPE
    with pytest.raises(InputError, match=r"fine.nii.gz: has shape \(40, 40, 32\).*mask.nii.gz has shape"):
        bold_grid([folder / "mask.nii.gz", folder / "fine.nii.gz"])


def test_fields_of_view_that_cross_at_an_angle():
    half = np.sqrt(0.5)
    turned = np.eye(4)
    turned[:2, :2] = [[half, -half], [half, half]]
    turned[:3, 3] = [8.0, 7.0, 0.0]
    plain = Grid((10, 10, 10), np.eye(4))
    assert field_of_view_overlaps(plain, Grid((4, 4, 4), turned))
    # The boxes around it cross, the turned grid itself passes the corner.
    turned[:3, 3] = [9.0, -4.0, 0.0]
    assert not field_of_view_overlaps(plain, Grid((20, 2, 4), turned))
    assert field_of_view_overlaps(plain, Grid((20, 4, 4), turned))


TABLES = {
    "lines.txt": ("HIP-rh\nAMY-rh\nHIP-lh", {1: "HIP-rh", 2: "AMY-rh", 3: "HIP-lh"}),
    "numbered.txt": ("# comment\n2 AMY rh\n10 AMY lh\n", {2: "AMY rh", 10: "AMY lh"}),
    "colours.txt": (
        "#No. Label Name:    R   G   B   A\n\n18  Left-Amygdala   103 255 255 0\n"
        "54 Right-Amygdala 103 255 255 0\n",
        {18: "Left-Amygdala", 54: "Right-Amygdala"},
    ),
    "spm.xml": (
        '<?xml version="1.0" encoding="ISO-8859-1"?><atlas><data>'
        "<label><index>31</index><name>Right Amygdala</name></label></data></atlas>",
        {31: "Right Amygdala"},
    ),
    "fsl.xml": ('<atlas><data><label index="3" x="1">Left Insula</label></data></atlas>', {3: "Left Insula"}),
    "fsl-probabilities.xml": (
        "<atlas><header><type>Probabilistic</type></header><data>"
        '<label index="0" x="1">Frontal Pole</label><label index="1">Insular Cortex</label></data></atlas>',
        {1: "Frontal Pole", 2: "Insular Cortex"},
    ),
    "fsl-values.xml": (
        "<atlas><header><type>Probabilistic</type></header><data>"
        '<label index="0" value="7">Frontal Pole</label></data></atlas>',
        {7: "Frontal Pole"},
    ),
    "bids.tsv": ("index\tname\tcolor\n4\tLB\t#ff\n5\tCM\t#00\n", {4: "LB", 5: "CM"}),
    "label.csv": ('value,label\r\n4,"LB, left"\r\n', {4: "LB, left"}),
}


@pytest.mark.parametrize("name", TABLES)
def test_label_tables(tmp_path, name):
    text, expected = TABLES[name]
    (tmp_path / name).write_text(text)
    assert label_table(tmp_path / name) == expected


@pytest.mark.parametrize(
    ("name", "text", "problem"),
    [
        ("a.txt", "one\n\nthree\n", "empty line between names"),
        ("a.txt", "", "holds no labels"),
        ("a.tsv", "colour\tx\n1\t2\n", "has the columns colour, x"),
        ("a.csv", "index,name\n1\n", "row 2 has 1 cells, the header 2"),
        ("a.csv", "index,name\none,LB\n", "label number 'one'"),
        ("a.csv", "index,name\n1,LB\n1,CM\n", "two names: LB, CM"),
        ("a.xml", "<atlas><label>", "is not XML"),
        ("a.xml", '<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>', "defines entities"),
    ],
)
def test_label_tables_that_are_none(tmp_path, name, text, problem):
    (tmp_path / name).write_text(text)
    with pytest.raises(InputError, match=problem):
        label_table(tmp_path / name)


def test_specifications_load_nothing_heavy():
    code = (
        "import sys, almond.encoding.config.regions, almond.encoding.config.preparation\n"
        "print(sorted({'torch', 'nibabel', 'scipy', 'sklearn', 'himalaya', 'h5py', 'av'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_examples_of_the_documentation_are_right(tmp_path):
    """Every region of docs/regions.md is understood, and means voxels of these files."""
    text = (Path(__file__).parents[2] / "docs" / "regions.md").read_text()
    example = yaml.safe_load(text.split("```yaml")[1].split("```")[0])["regions"]
    atlas = np.zeros(SHAPE)
    atlas[2:5, 3:6, 3:6], atlas[14:17, 3:6, 3:6] = 1, 2
    (tmp_path / "masks").mkdir()
    for name in ("masks/LB.nii.gz", "masks/sub-01_amygdala.nii.gz"):
        write(tmp_path / name, atlas > 0)
    write(tmp_path / "Tian_S1.nii.gz", np.where(atlas == 2, 10, 2 * atlas))
    lateral = np.where(atlas == 1, 3, np.where(atlas == 2, 19, 0))
    lateral[:, :4] = 0
    write(tmp_path / "Tian_S2.nii.gz", lateral)
    lines = [f"other {number}" for number in range(1, 33)]
    lines[2], lines[18] = "lAMY-rh", "lAMY-lh"
    (tmp_path / "Tian_S2_label.txt").write_text("\n".join(lines))
    write(tmp_path / "motor_z.nii.gz", 4 * generator(8, "map").standard_normal(SHAPE))
    specs, problems = parsed(example, tmp_path)
    assert problems == []
    found = resolve_regions(specs, grid(tmp_path / "motor_z.nii.gz"), subject="01")
    assert list(found) == ["mask", "amygdala", "lateral", "active", "rest", "both", "left", "own"]
    assert as_set(found["rest"]) == as_set(found["amygdala"]) - as_set(found["lateral"])
    assert as_set(found["left"]) < as_set(found["both"])
