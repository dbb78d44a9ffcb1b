"""A packed visit read as ``static/js/visit.js`` reads it."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

DIGEST_BYTES = 32


def unpacked(visit: Mapping[str, Any]) -> dict[str, Any]:
    """Return ``images``, digest -> address and size, and ``trials`` in full; the rest as it came."""
    images = visit["images"]
    packed = base64.b64decode(images["digests"]).hex()
    digests = [packed[start : start + 2 * DIGEST_BYTES] for start in range(0, len(packed), 2 * DIGEST_BYTES)]
    return {
        **visit,
        "images": {
            digest: {
                "url": images["address"].replace("DIGEST", digest).replace("SUFFIX", suffix),
                "width": width,
                "height": height,
            }
            for digest, (suffix, width, height) in zip(digests, images["rows"], strict=True)
        },
        "trials": [
            {
                "id": name,
                "block": visit["blocks"][block]["name"],
                "kind": visit["blocks"][block]["kind"],
                "constructs": visit["asked"][asked][0],
                "question": visit["asked"][asked][1],
                "images": [digests[place] for place in places],
                "done": index in visit["done"],
            }
            for index, (name, block, asked, *places) in enumerate(visit["trials"])
        ],
    }
