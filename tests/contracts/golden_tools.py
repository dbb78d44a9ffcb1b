"""What the golden values share: reading and writing them, comparing numbers, running commands."""

from __future__ import annotations

import contextlib
import gzip
import io
import json
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from almond.cli.main import main
from almond.digest import canonical_json, digest_array, digest_bytes, digest_file, digest_json

FOLDER = Path(__file__).parent / "golden"
ARITHMETIC = FOLDER / "arithmetic.json"
"""Name of a golden value -> digest of how the machine rounds that recorded it."""
DIGITS = 1e-10
ELSEWHERE = 1e-3
"""Relative difference of floats on a machine that rounds in another way: optimisers stop a step apart, and an
SD that is estimated as zero there is a small number here."""
NEAR_ZERO = 1e-12
VERSIONS = ("almond", "almond_version", "code", "exported_by", "software", "manifest_sha256")
"""Keys whose values change with versions, in results and in what they say of an export."""

BITS = "bits"
"""The key below which values hold to the bit, so on a machine with the same arithmetic only."""


def read_json(name: str) -> Any:
    """The golden value of ``name``."""
    return json.loads(gzip.decompress((FOLDER / f"{name}.json.gz").read_bytes()))


def json_bytes(value: Any) -> bytes:
    """A golden value as a file. Keys stay in order: that of feature spaces has a meaning."""
    text = json.dumps(value, indent=1, ensure_ascii=False)
    return gzip.compress((text + "\n").encode(), mtime=0)


def command(*words: str | Path) -> str:
    """Run one command of ``almond`` in this process; returns what it printed, without its messages."""
    out, messages = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(messages):
        status = main([str(word) for word in words])
    assert status == 0, messages.getvalue()
    return out.getvalue()


def arithmetic() -> str:
    """A digest of how this machine rounds and packs: products, factorisations, transforms, functions, PNG."""
    rng = np.random.default_rng(5)
    x = rng.standard_normal((90, 70))
    parts = [x.T @ x, np.linalg.svd(x)[1], np.fft.rfft(x).real, np.exp(x), np.log1p(x**2), x.mean(axis=0)]
    stream = io.BytesIO()
    Image.fromarray(rng.integers(0, 9, (40, 40, 3)).astype(np.uint8)).save(stream, "PNG")
    return digest_json([*(digest_array(part) for part in parts), digest_bytes(stream.getvalue())])


def is_recorders_arithmetic(name: str) -> bool:
    """Whether this machine rounds as the one that recorded a golden value."""
    return bool(json.loads(ARITHMETIC.read_bytes())[name] == arithmetic())


def differences(new: Any, old: Any, path: str = "", *, within: float = DIGITS) -> Iterator[str]:
    """Where two JSON values differ: floats by more than ``within``, relatively; anything else at all.

    Versions are passed over; so is what holds to the bit on one machine, below ``bits``.
    """
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        for key in sorted({*old, *new} - {BITS, *VERSIONS}):
            if key not in old or key not in new:
                yield f"{path}.{key}: {'new' if key in new else 'missing'}"
            else:
                yield from differences(new[key], old[key], f"{path}.{key}", within=within)
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        for index, (mine, theirs) in enumerate(zip(new, old, strict=True)):
            yield from differences(mine, theirs, f"{path}[{index}]", within=within)
    elif not same(new, old, within):
        yield f"{path}: {new!r}, was {old!r}"


def same(new: Any, old: Any, within: float) -> bool:
    """Whether two plain values are equal, floats within a relative difference."""
    numbers = all(isinstance(value, int | float) and not isinstance(value, bool) for value in (new, old))
    if numbers and float in (type(new), type(old)):
        return math.isclose(new, old, rel_tol=within, abs_tol=NEAR_ZERO * within / DIGITS)
    return type(new) is type(old) and new == old


def digest_of(value: Any) -> str:
    """SHA-256 of the canonical JSON."""
    return digest_bytes(canonical_json(value))


def export_digests(folder: Path) -> dict[str, str]:
    """SHA-256 of every file of an export; the manifest's without its version and without its own digest."""
    digests = {
        path.relative_to(folder).as_posix(): digest_file(path)
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
    manifest = json.loads((folder / "manifest.json").read_bytes())
    content = {key: value for key, value in manifest.items() if key not in ("digest", "almond_version")}
    return {**digests, "manifest.json": digest_of(content)}
