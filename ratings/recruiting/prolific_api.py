"""Prolific's API: the submissions of a study, and the signature of its webhooks.

As documented at docs.prolific.com: requests carry ``Authorization: Token …``; lists come in pages; a webhook
is signed with HMAC-SHA256 over its time and body, in base64.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from typing import Any

from almond.errors import InputError
from ratings.recruiting.base import Told

PAGE_SIZE = 100
MOST_PAGES = 1000
PATIENCE_S = 20
LARGEST_REPLY = 8 * 1024 * 1024


def normal_status(text: str) -> str:
    """Return a status as it is stored: ``TIMED-OUT`` is timed_out, ``AWAITING REVIEW`` awaiting_review."""
    return text.strip().lower().replace("-", "_").replace(" ", "_")


def signature_of(secret: str, timestamp: str, body: bytes) -> str:
    """Return the signature of a webhook: base64 of HMAC-SHA256 over time and body."""
    digest = hmac.new(secret.encode(), timestamp.encode() + body, hashlib.sha256).digest()
    return base64.b64encode(digest).decode()


def is_signed(secret: str, timestamp: str, body: bytes, signature: str) -> bool:
    """Tell, in constant time, whether a signature is that of a webhook."""
    expected = signature_of(secret, timestamp, body)
    return hmac.compare_digest(expected.encode(), signature.encode("utf-8", "replace"))


class ProlificApi:
    """Reads from Prolific with a token; every request ends after 20 seconds at the latest.

    :param address: of the API, without a path.
    :raises InputError: there is no token.
    """

    def __init__(self, address: str, token: str) -> None:
        if not token:
            expected = "a token of Prolific's API in the environment of the site and its workers"
            raise InputError("ALMOND_PROLIFIC_TOKEN", "is not set", expected)
        self.address, self._token = address, token

    def submissions(self, study_id: str) -> Iterator[Told]:
        """Yield every submission of a study, page after page, each once.

        :raises InputError: Prolific cannot be reached, refuses, or answers something else.
        """
        seen: set[str] = set()
        for page in range(1, MOST_PAGES + 1):
            query = urllib.parse.urlencode({"study": study_id, "page": page, "page_size": PAGE_SIZE})
            reply = self._get(f"/api/v1/submissions/?{query}")
            rows = reply.get("results")
            if not isinstance(rows, list):
                raise InputError("Prolific", "answered without a list of results", "a page of submissions")
            for row in rows:
                told = read_submission(row)
                if told.submission not in seen:
                    seen.add(told.submission)
                    yield told
            if not _goes_on(reply, len(rows)):
                return
        raise InputError("Prolific", f"has more than {MOST_PAGES} pages of submissions", "fewer")

    def _get(self, path: str) -> dict[str, Any]:
        request = urllib.request.Request(
            self.address + path,
            headers={"Authorization": f"Token {self._token}", "Accept": "application/json"},
        )
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE_S) as answer:
                reply = json.loads(answer.read(LARGEST_REPLY))
        except urllib.error.HTTPError as error:
            raise refused(error) from error
        except (urllib.error.URLError, TimeoutError, ConnectionError) as error:
            reason = getattr(error, "reason", error)
            raise InputError(
                "Prolific",
                f"cannot be reached at {self.address} ({reason})",
                "a network that lets it through",
            ) from error
        except ValueError as error:
            raise InputError("Prolific", "answered something that is not JSON", "its API") from error
        if not isinstance(reply, dict):
            raise InputError("Prolific", "answered something else than an object", "its API")
        return reply


def refused(error: urllib.error.HTTPError) -> InputError:
    """Say what a refusal of Prolific means."""
    expected = {
        401: "a valid token in ALMOND_PROLIFIC_TOKEN",
        403: "a token whose owner may see the study",
        404: "Prolific's ID of the study, in the settings of its recruiter",
        429: "a longer time between two requests",
    }.get(error.code, "an answer of its API; try again later")
    return InputError("Prolific", f"refused with status {error.code}", expected)


def read_submission(row: object) -> Told:
    """Read one submission of a list.

    :raises InputError: it has no id, person or status.
    """
    if not isinstance(row, dict):
        raise InputError("Prolific", "listed something that is no submission", "an object with id and status")
    fields = [row.get("id"), row.get("participant_id") or row.get("participant"), row.get("status")]
    if not all(isinstance(field, str) and field for field in fields):
        raise InputError("Prolific", "listed a submission without id, person or status", "all three")
    submission, person, status = map(str, fields)
    code = row.get("study_code") or row.get("entered_code") or ""
    return Told(submission, person, normal_status(status), str(code)[:60])


def _goes_on(reply: dict[str, Any], count: int) -> bool:
    """Tell whether a further page follows: as the reply says, or else while pages are full."""
    links = reply.get("_links")
    if isinstance(links, dict) and "next" in links:
        following = links["next"]
        return bool(following.get("href") if isinstance(following, dict) else following)
    return count >= PAGE_SIZE
