"""Images of other projects' tests, tried as runs and as regions; ``ALMOND_REAL_DATA`` holds them."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from almond.encoding.bold.bids import Run
from almond.encoding.bold.nifti import load_nifti, read_data, read_masked
from almond.encoding.bold.run_headers import number_of_volumes, remark_orientation, repetition_time
from almond.encoding.config.regions import MapSpec, MaskSpec
from almond.encoding.regions.resolve import bold_grid, load_region, resolve_regions
from almond.errors import InputError
from almond.remarks import Remarks

DATA = Path(os.environ.get("ALMOND_REAL_DATA", ""))
NIBABEL, TEDANA = DATA / "nibabel_examples", DATA / "tedana_multiecho"

pytestmark = pytest.mark.skipif(
    "ALMOND_REAL_DATA" not in os.environ or not NIBABEL.is_dir() or not TEDANA.is_dir(),
    reason="ALMOND_REAL_DATA has no nibabel_examples or tedana_multiecho",
)


def test_a_header_of_2000_s_needs_tr_and_then_gives_way():
    run = Run("1", "run-1", NIBABEL / "example4d.nii.gz")
    remarks = Remarks()
    with pytest.raises(InputError, match=r"example4d.*2000 s in its header \(expected tr: seconds\)"):
        repetition_time(run, None, remarks)
    assert repetition_time(run, 2.0, remarks) == 2.0
    remark_orientation(run, remarks)
    assert [(remark.kind, remark.about) for remark in remarks] == [("repetition-time", "run-1")]
    assert number_of_volumes(run) == 2
    assert read_masked(run.bold, np.array([[60, 50, 12]])).min() > 0


@pytest.mark.parametrize("name", ["someones_anatomy", "someones_epi"])
def test_images_of_one_volume_are_no_runs_and_no_masks_but_maps(name):
    path = NIBABEL / f"{name}.nii.gz"
    with pytest.raises(InputError, match="a 4-D BOLD run"):
        read_masked(path, np.array([[0, 0, 0]]))
    with pytest.raises(InputError, match=rf"is no mask: .* 256 values .*map: {name}.nii.gz, above:"):
        load_region("m", path)
    region = load_region("m", MapSpec(map=path, above=50))
    assert len(region.voxels) == int((read_data(load_nifti(path)) > 50).sum()) > 1000
    assert region.remarks == ()


def test_echoes_lie_on_their_mask():
    echoes = [TEDANA / f"echo{number}.nii.gz" for number in (1, 2, 3)]
    grid = bold_grid(echoes)
    region = resolve_regions({"m": MaskSpec(mask=TEDANA / "mask.nii.gz")}, grid)["m"]
    assert (len(region.voxels), region.resampled, region.remarks) == (61954, False, ())
    means = []
    for number, path in enumerate(echoes):
        run, remarks = Run("1", f"echo-{number}", path), Remarks()
        assert (repetition_time(run, None, remarks), number_of_volumes(run)) == (2.0, 5)
        remark_orientation(run, remarks)
        assert not len(remarks)
        means.append(read_masked(path, region.voxels).mean())
    assert means == sorted(means, reverse=True)  # signal decays with the time of the echo
    for path in echoes:
        with pytest.raises(InputError, match="a 3-D mask"):
            load_region("m", path)
    with pytest.raises(InputError, match="a 4-D BOLD run"):
        read_masked(TEDANA / "mask.nii.gz", region.voxels)
