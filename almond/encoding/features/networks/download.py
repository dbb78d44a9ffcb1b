"""Fetching a file from an address, going on where a broken connection stopped."""

from __future__ import annotations

import http.client
import json
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any

from almond.digest import canonical_json, digest_bytes
from almond.errors import InputError
from almond.files.writing import refusals_named, write_atomically
from almond.progress import Progress

CHUNK = 1 << 20
TIMEOUT = 60.0
"""Seconds without a byte after which a connection counts as broken."""

SCHEMES = ("https", "http", "file")


def fetch(url: str, folder: Path, prefix: str, progress: Progress) -> Path:
    """Fetch the whole of what an address gives into a scratch file in ``folder``.

    A scratch file of the same address that an earlier attempt left is continued if the server still serves
    the same thing (by its entity tag or date of change); otherwise it begins again. Cancelling keeps it.

    :raises InputError: not an address, an answer of failure, a connection that ended early.
    """
    if urllib.parse.urlsplit(url).scheme not in SCHEMES:
        raise InputError(url, "is not an address that can be fetched", f"{', '.join(SCHEMES)}://...")
    part = folder / f"{prefix}-{digest_bytes(url.encode())[:16]}.part"
    try:
        with _open(url, part) as answer:
            _receive(answer, url, part, progress)
    except (urllib.error.URLError, http.client.HTTPException, TimeoutError, ConnectionError) as error:
        raise InputError(url, f"cannot be fetched ({error})", "a file that can be read from here") from error
    _tag_of(part).unlink(missing_ok=True)
    return part


def _open(url: str, part: Path) -> Any:
    """Ask the server for the rest of the file where one was begun, else for the whole."""
    headers = {"User-Agent": "almond", "Accept-Encoding": "identity"}
    tag, size = _read_tag(part), part.stat().st_size if part.is_file() else 0
    if tag and size:
        headers |= {"Range": f"bytes={size}-", "If-Range": tag}
    try:
        return urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=TIMEOUT)
    except urllib.error.HTTPError as error:
        if error.code != http.client.REQUESTED_RANGE_NOT_SATISFIABLE or "Range" not in headers:
            raise
        error.close()
    part.unlink(missing_ok=True)  # nothing is left of that range: begin again
    return _open(url, part)


def _receive(answer: Any, url: str, part: Path, progress: Progress) -> None:
    continued = answer.status == http.client.PARTIAL_CONTENT if answer.status else False
    done = _start(answer, url, part) if continued else 0
    length = answer.headers.get("Content-Length")
    whole = done + int(length) if length else None
    if not continued:
        part.unlink(missing_ok=True)  # before the new tag, which would vouch for old bytes
        _write_tag(part, answer.headers.get("ETag") or answer.headers.get("Last-Modified"))
    with refusals_named(part), part.open("ab" if continued else "wb") as stream:
        while chunk := answer.read(CHUNK):
            stream.write(chunk)
            done += len(chunk)
            progress.report(min(done / whole, 1.0) if whole else 0.0, f"{done / 1e6:.0f} MB of {url}")
    if whole is not None and done != whole:
        raise InputError(url, f"ended after {done} of {whole} bytes", "the whole file; run the command again")


def _start(answer: Any, url: str, part: Path) -> int:
    """Read the byte at which a partial answer begins, which must be the one that was asked for."""
    content_range = str(answer.headers.get("Content-Range", ""))
    size = part.stat().st_size
    if not content_range.startswith(f"bytes {size}-"):
        raise InputError(url, f"answers with the range {content_range!r}", f"bytes from {size}")
    return size


def _tag_of(part: Path) -> Path:
    return part.with_name(part.name + ".json")


def _write_tag(part: Path, tag: str | None) -> None:
    if tag is None or tag.startswith("W/"):  # a weak tag does not promise the same bytes
        _tag_of(part).unlink(missing_ok=True)
    else:
        write_atomically(_tag_of(part), canonical_json({"tag": tag}))


def _read_tag(part: Path) -> str | None:
    path = _tag_of(part)
    return str(json.loads(path.read_text(encoding="utf-8"))["tag"]) if path.is_file() else None
