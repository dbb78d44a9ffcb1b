"""Pictures of every kind as Chromium paints them on white, beside what Almond's reader makes of them."""

from __future__ import annotations

import base64
import mimetypes
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from almond.pictures.reading import read_image
from tests.almond.picture_files import coloured, painted

ROUNDING = 1
"""Grey levels by which two programs may differ that convert colours or blend in steps of their own."""

PAINT = """async ([data, kind]) => {
  const bytes = Uint8Array.from(atob(data), (letter) => letter.charCodeAt(0));
  const image = new Image();
  image.src = URL.createObjectURL(new Blob([bytes], {type: kind}));
  await image.decode();
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [image.naturalWidth, image.naturalHeight];
  const pen = canvas.getContext("2d", {willReadFrequently: true});
  pen.fillStyle = "white";
  pen.fillRect(0, 0, canvas.width, canvas.height);
  pen.drawImage(image, 0, 0);
  const drawn = pen.getImageData(0, 0, canvas.width, canvas.height).data;
  return [canvas.height, canvas.width, Array.from(drawn)];
}"""


@pytest.fixture(scope="module")
def page(chromium: Any) -> Iterator[Any]:
    page = chromium.new_page()
    page.goto("about:blank")
    yield page
    page.close()


def paint(page: Any, name: str, data: bytes) -> np.ndarray:
    """The pixels (H, W, 3) of Chromium's canvas."""
    kind = {".webp": "image/webp"}.get(name[-5:]) or mimetypes.guess_type(name)[0]
    height, width, values = page.evaluate(PAINT, [base64.b64encode(data).decode(), kind])
    pixels = np.array(values, np.uint8).reshape(height, width, 4)
    assert pixels[..., 3].min() == 255
    return pixels[..., :3]


@pytest.mark.parametrize("name", painted())
def test_a_picture_is_read_pixel_by_pixel_as_it_is_painted(page: Any, name: str) -> None:
    data = painted()[name]
    np.testing.assert_array_equal(read_image(data, name=name), paint(page, name, data))


@pytest.mark.parametrize("name", coloured())
def test_profiles_and_gamma_give_the_colours_that_are_painted(page: Any, name: str) -> None:
    data = coloured()[name]
    ours, theirs = read_image(data, name=name), paint(page, name, data)
    assert ours.shape == theirs.shape
    assert np.abs(ours.astype(int) - theirs).max() <= ROUNDING
