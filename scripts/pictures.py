"""Take the pictures of the guides: ``python -m scripts.pictures``.

Browser tests go through the pages and keep screenshots of them; those that the guides show are written to
``docs/pictures``, in 128 colours. A sheet shows every kind of trial.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from PIL import Image

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "docs" / "pictures"
TESTS = (
    "tests/browser/test_study_pages.py",
    "tests/browser/test_preview.py",
    "tests/browser/test_every_kind.py",
    "tests/browser/test_monitor_people.py",
    "tests/browser/test_whole_study.py",
)
SHOWN = {
    "study-draft": "study-draft-light",
    "study-rehearsed": "whole-rehearsed",
    "preview": "preview-rating",
    "monitor": "monitor-light",
    "people": "people-1280",
    "replay": "replay-1280",
}
"""Picture of a guide -> screenshot that a test keeps."""
WIDEST = 1280
COLOURS = 128
KINDS = "kind-{}-1280"
SHEET_COLUMNS, TILE, GAP = 3, (420, 262), 8


def main() -> None:
    """Run the tests, then write what they kept; a test that fails leaves the pictures as they are."""
    with tempfile.TemporaryDirectory(prefix="almond-pictures-") as kept:
        command = [sys.executable, "-m", "pytest", "-q", "-n", "2", *TESTS]
        subprocess.run(command, cwd=ROOT, env={**os.environ, "ALMOND_SCREENSHOTS": kept}, check=True)
        for name, shot in SHOWN.items():
            with Image.open(Path(kept) / f"{shot}.png") as picture:
                write(picture, name)
        write(sheet(sorted(Path(kept).glob(KINDS.format("*") + ".png"))), "kinds")


def sheet(paths: Sequence[Path]) -> Image.Image:
    """Put screenshots side by side, each in a tile of its own, in the order of their names."""
    rows = -(-len(paths) // SHEET_COLUMNS)
    width, height = TILE
    size = (SHEET_COLUMNS * (width + GAP) - GAP, rows * (height + GAP) - GAP)
    whole = Image.new("RGB", size, "white")
    for place, path in enumerate(paths):
        with Image.open(path) as picture:
            tile = picture.convert("RGB").crop((0, 0, 1280, 800)).resize(TILE, Image.Resampling.LANCZOS)
        row, column = divmod(place, SHEET_COLUMNS)
        whole.paste(tile, (column * (width + GAP), row * (height + GAP)))
    return whole


def write(picture: Image.Image, name: str) -> None:
    """Write a picture of the guides, no wider than ``WIDEST`` pixels."""
    small = picture.convert("RGB")
    small.thumbnail((WIDEST, 4 * WIDEST), Image.Resampling.LANCZOS)
    path = FOLDER / f"{name}.png"
    small.quantize(COLOURS, dither=Image.Dither.NONE).save(path, optimize=True)
    print(f"{path.relative_to(ROOT)}: {path.stat().st_size // 1024} kB")


if __name__ == "__main__":
    main()
