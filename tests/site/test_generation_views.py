"""The public address of an image: right bytes for ever, or nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from generation import services
from tests.site.generation_rows import photograph


@pytest.fixture(autouse=True)
def home(tmp_path: Path, settings: Any) -> Path:
    settings.ALMOND_HOME = tmp_path
    return tmp_path


@pytest.mark.parametrize(("kind", "suffix", "content"), [("PNG", "png", "png"), ("JPEG", "jpg", "jpeg")])
def test_bytes_come_by_digest_and_are_cached_for_ever(
    client: Any, kind: str, suffix: str, content: str
) -> None:
    data = photograph(1, kind)
    digest = services.keep_bytes(data, suffix)
    response = client.get(f"/stimuli/{digest}.{suffix}")
    assert response.status_code == 200
    assert response.getvalue() == data
    assert response["Content-Type"] == f"image/{content}"
    assert response["ETag"] == f'"{digest}"'
    assert "immutable" in response["Cache-Control"]
    assert response["X-Content-Type-Options"] == "nosniff"
    again = client.get(f"/stimuli/{digest}.{suffix}", headers={"If-None-Match": f'"x", "{digest}"'})
    assert again.status_code == 304
    assert again["ETag"] == f'"{digest}"'


@pytest.mark.parametrize(
    "address",
    [
        f"/stimuli/{'0' * 64}.png",
        "/stimuli/short.png",
        f"/stimuli/{'A' * 64}.png",
        f"/stimuli/..%2f..%2f{'0' * 64}.png",
        "/stimuli/../secret_key",
    ],
)
def test_anything_else_is_not_found(client: Any, home: Path, address: str) -> None:
    (home / "secret_key").write_text("x")
    assert client.get(address).status_code == 404


def test_an_image_has_one_address(client: Any, home: Path) -> None:
    digest = services.keep_bytes(photograph(1, "PNG"), "png")
    (home / "stimuli" / digest[:2] / f"{digest}.svg").write_text("<svg/>")
    assert client.get(f"/stimuli/{digest}.jpg").status_code == 404
    assert client.get(f"/stimuli/{digest}.svg").status_code == 404


def test_images_are_only_read(client: Any) -> None:
    digest = services.keep_bytes(photograph(1, "PNG"), "png")
    assert client.post(f"/stimuli/{digest}.png").status_code == 405
    response = client.head(f"/stimuli/{digest}.png")
    assert (response.status_code, response.getvalue()) == (200, b"")


def test_the_rest_of_an_image_is_sent_from_the_byte_that_is_asked_for(client: Any, home: Path) -> None:
    whole = photograph(1, "PNG")
    address = f"/stimuli/{services.keep_bytes(whole, 'png')}.png"
    rest = client.get(address, headers={"Range": "bytes=100-"})
    assert rest.status_code == 206
    assert rest.getvalue() == whole[100:]
    assert rest["Content-Range"] == f"bytes 100-{len(whole) - 1}/{len(whole)}"
    assert rest["Content-Length"] == str(len(whole) - 100)
    for other in ("bytes=0-", f"bytes={len(whole)}-", "bytes=5-9", "lines=3-", "bytes=-4"):
        reply = client.get(address, headers={"Range": other})
        assert reply.status_code == 200
        assert reply.getvalue() == whole
