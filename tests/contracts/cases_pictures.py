"""Circumstances of pictures and films from the field, with what must come out; one reader reads them all."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from almond.encoding.bold.bids import Run
from almond.encoding.features.film import frames
from almond.encoding.features.image_predictors import predictors_of_images
from almond.encoding.features.kinds.world import open_world
from almond.encoding.features.run_features import Presentation, Scan
from almond.pictures.files import LazyImages, image_files
from almond.pictures.reading import read_image
from almond.progress import Silent
from almond.rng import generator
from almond.stimuli.lowlevel import measure
from almond.world.scenes import draw_scene, render
from tests.almond.picture_files import exif, saved
from tests.contracts.test_rooms import ROOT, modules

CASES = Path(__file__).parent / "cases" / "features"
READS_PICTURES = {"imread", "imopen", "decode_image", "decode_jpeg", "decode_png", "pil_loader"}


def test_exif_turned() -> None:
    turned = read_image(CASES / "exif-turned" / "turned.jpg")
    upright = read_image(CASES / "exif-turned" / "upright.png")
    assert turned.shape == upright.shape == (120, 80, 3)
    assert np.abs(turned.astype(int) - upright).mean() < 6  # what JPEG leaves


def test_features_of_turned_scenes_are_those_of_upright_ones_in_every_room(tmp_path: Path) -> None:
    space: Any = open_world()
    rng = generator(4, "turned scenes")
    scenes = [render(draw_scene(rng)) for _ in range(12)]
    for index, scene in enumerate(scenes):
        lying = np.ascontiguousarray(np.rot90(scene, 1))
        (tmp_path / f"{index:02}.png").write_bytes(saved(lying, "PNG", exif=exif(6)))
    expected = space.extract(scenes)
    paths = image_files(tmp_path)
    np.testing.assert_array_equal(space.extract(LazyImages(paths)), expected)
    assert [measure(image) for image in LazyImages(paths)] == [measure(scene) for scene in scenes]
    np.testing.assert_allclose(fitted_on(space, paths, tmp_path), expected, rtol=1e-6)


def fitted_on(space: Any, paths: list[Path], folder: Path) -> np.ndarray:
    """The features (n, D) on which a fit stands whose events name the files."""
    events = folder / "events.tsv"
    rows = [f"{2 * index}\t1\t{path.name}" for index, path in enumerate(paths)]
    events.write_text("\n".join(["onset\tduration\tstim_file", *rows]) + "\n")
    scan = Scan(Run("1", "run-1", folder / "bold.nii", events), n_volumes=2 * len(paths), tr=1.0)

    class Spec:
        interval = None

        def open_space(self, device: str) -> Any:
            return space

    spec: Any = Spec()
    shown = Presentation([scan], "", (), folder, folder / "cache", Silent())
    (run,) = predictors_of_images(spec, shown).runs
    assert run.mixing is not None
    return run.mixing


def test_grey_16_bit() -> None:
    deep, flat = (read_image(CASES / "grey-16-bit" / name) for name in ("grey16.png", "grey8.png"))
    assert np.abs(deep.astype(int) - flat).max() <= 1
    assert measure(deep)["luminance"] == pytest.approx(measure(flat)["luminance"], abs=0.01)


def test_turned_film() -> None:
    frame, _ = next(frames(CASES / "turned-film" / "turned.mp4"))
    assert frame.pixels().shape == (64, 48, 3)


def test_nothing_else_opens_a_picture() -> None:
    """Decoders of pictures are called below ``almond/pictures`` alone."""
    others = []
    for path in modules():
        if path.is_relative_to(ROOT / "almond" / "pictures"):
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            opens = isinstance(node, ast.Attribute) and (
                node.attr in READS_PICTURES or ast.unparse(node) in ("Image.open", "PIL.Image.open")
            )
            if opens:
                others.append(f"{path.relative_to(ROOT)}:{getattr(node, 'lineno', 0)}")
    assert others == []
