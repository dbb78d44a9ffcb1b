# python examples/photographs.py IMAGES NORMS OUT      (docs/photographs.md)
"""Simulate people in a scanner who look at real photographs, for fit, predict and validate of OUT/fit.yaml.

The photographs, their published ratings and the network are real; the responses are not: that of region
*arousal* follows a photograph's published arousal, that of *valence* its valence, *noise* follows nothing.
Half of the themes are shown in the scanner, the others are left for predictions.
"""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path

import numpy as np
import yaml

from almond.encoding.features.networks.efficientnet_lite import FEATURES
from almond.encoding.hemodynamics.hrf import spm_hrf
from almond.encoding.regions.timeseries import find_tables, import_timeseries
from almond.pictures.files import image_files
from almond.rng import generator
from almond.stimuli.norms import read_norms

SUBJECTS, RUNS, VOXELS = 6, 4, 5
TR, ON, OFF = 2.0, 2.0, 2.0
"""Seconds: of a volume, of a photograph, and between photographs."""
NOISE = 1.0
"""Standard deviation of a volume's noise, in units of the largest response to one standard deviation."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("images", type=Path, metavar="IMAGES", help="folder of photographs, such as OASIS")
    parser.add_argument("norms", type=Path, metavar="NORMS", help="table of their valence and arousal")
    parser.add_argument("out", type=Path, metavar="OUT", help="new folder")
    parser.add_argument("--theme", default="Theme", help="column that says what several images share")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    make(arguments.images, arguments.norms, arguments.out, theme=arguments.theme, seed=arguments.seed)


def make(images: Path, norms_file: Path, out: Path, *, theme: str, seed: int) -> None:
    """Write time series, images and ``fit.yaml`` to a new folder."""
    out.mkdir(parents=True)
    paths = image_files(images)
    norms = read_norms(norms_file, [path.name for path in paths], theme=theme)
    rng = generator(seed, "photographs")
    themes = sorted(set(norms.themes))
    scanned = set(rng.permutation(themes)[: len(themes) // 2].tolist())
    shown = [number for number, name in enumerate(norms.themes) if name in scanned]
    for number, path in enumerate(paths):
        folder = out / ("scanned" if number in shown else "others")
        folder.mkdir(exist_ok=True)
        shutil.copyfile(path, folder / path.name)
    drives = {
        "arousal": standardised(norms.arousal),
        "valence": standardised(norms.valence),
        "noise": np.zeros(len(paths)),
    }
    for subject in range(1, SUBJECTS + 1):
        for run in range(1, RUNS + 1):
            stem = out / "tables" / f"sub-{subject:02d}_task-photographs_run-{run}"
            write_run(stem, rng.permutation(shown), [f"scanned/{path.name}" for path in paths], drives, rng)
    patterns = {region: f"{region}_*" for region in drives}
    settings = import_timeseries(find_tables([out / "tables"]), out / "bold", tr=TR, patterns=patterns)
    (out / "fit.yaml").write_text(yaml.safe_dump(config_of(settings, norms_file, theme), sort_keys=False))


def standardised(ratings: np.ndarray) -> np.ndarray:
    """Scale ratings (n,) to mean 0 and standard deviation 1."""
    return (ratings - ratings.mean()) / ratings.std()


def write_run(
    stem: Path, order: np.ndarray, files: list[str], drives: dict, rng: np.random.Generator
) -> None:
    """Write the events of a run, and each voxel's course: the region's responses, smoothed, and noise."""
    onsets = 4.0 + (ON + OFF) * np.arange(len(order))
    rows = [f"{onset:g}\t{ON:g}\t{files[image]}" for onset, image in zip(onsets, order, strict=True)]
    stem.parent.mkdir(exist_ok=True)
    Path(f"{stem}_events.tsv").write_text("\n".join(["onset\tduration\tstim_file", *rows]) + "\n")
    volumes = int(np.ceil((onsets[-1] + 20.0) / TR))
    response = spm_hrf(TR)
    columns = {}
    for region, drive in drives.items():
        neural = np.zeros(volumes)
        neural[np.round(onsets / TR).astype(int)] = drive[order]
        course = np.convolve(neural, response / response.max())[:volumes]
        for voxel in range(VOXELS):
            columns[f"{region}_{voxel}"] = course + NOISE * rng.standard_normal(volumes)
    lines = [
        "\t".join(columns),
        *("\t".join(f"{value:.5f}" for value in row) for row in zip(*columns.values(), strict=True)),
    ]
    Path(f"{stem}_timeseries.tsv").write_text("\n".join(lines) + "\n")


def config_of(settings: dict, norms_file: Path, theme: str) -> dict:
    """Write the configuration of fit, predict and validate."""
    runs = [{**run, **{key: f"bold/{run[key]}" for key in ("bold", "events")}} for run in settings["runs"]]
    return {
        "runs": runs,
        "regions": {name: f"bold/{path}" for name, path in settings["regions"].items()},
        "features": FEATURES,
        "model": "ridge",
        "crossvalidation": "runs",
        "output": "artifacts",
        "prediction": {"images": "others"},
        "validation": {
            "regions": list(settings["regions"]),
            "voxelwise": False,
            "sets": {"photographs": {"images": "others", "norms": str(norms_file.resolve()), "theme": theme}},
        },
    }


if __name__ == "__main__":
    main()
