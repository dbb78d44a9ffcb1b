"""A local Prolific: the parts of its API that this site uses, webhooks, and pages to play participant on.

For the tests, and for learning: ``manage.py mock_prolific`` (docs/recruiting.md). It holds everything in
memory, speaks to nobody but the address that it is given, and knows one token and one secret.
"""

from __future__ import annotations

import json
import secrets
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field
from http.cookies import SimpleCookie
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from ratings.recruiting.mock_pages import back_page, front_page
from ratings.recruiting.prolific_api import signature_of

STATUSES = (
    *("RESERVED", "ACTIVE", "TIMED-OUT", "AWAITING REVIEW"),
    *("APPROVED", "RETURNED", "REJECTED", "SCREENED OUT"),
)
"""Of a submission, as Prolific writes them."""

COOKIE = "almond-mock-submission"
PAGE_SIZE = 20
LARGEST = 64 * 1024
PATIENCE_S = 10


@dataclass
class MockSubmission:
    """One person's submission to a study."""

    id: str
    study: str
    participant: str
    status: str = "RESERVED"
    code: str = ""


@dataclass
class Webhook:
    """A webhook as it was or will be sent; posted twice, later or in another order it is the same one."""

    event_id: str
    at: int
    body: bytes


@dataclass
class ProlificMock:
    """Prolific in memory.

    :param token: what requests have to carry.
    :param secret: under which webhooks are signed.
    :param page_size: submissions per page of a list.
    """

    token: str = "mock"
    secret: str = "mock"
    page_size: int = PAGE_SIZE
    clock: Callable[[], float] = time.time
    submissions: dict[str, MockSubmission] = field(default_factory=dict)
    webhooks: list[Webhook] = field(default_factory=list)

    def arrive(self, study: str, participant: str = "") -> MockSubmission:
        """Give somebody a place in a study; they have begun."""
        row = MockSubmission(secrets.token_hex(12), study, participant or secrets.token_hex(12))
        self.submissions[row.id] = row
        self.move(row, "RESERVED")
        self.move(row, "ACTIVE")
        return row

    def move(self, row: MockSubmission, status: str) -> Webhook:
        """Change the status of a submission; return the webhook that tells of it, which is not sent yet."""
        row.status = status
        body = {
            "resource_id": row.id,
            "event_type": "submission.status.change",
            "participant_id": row.participant,
            "status": status,
        }
        webhook = Webhook(secrets.token_hex(16), int(self.clock()), json.dumps(body).encode())
        self.webhooks.append(webhook)
        return webhook

    def complete(self, row: MockSubmission, code: str) -> Webhook:
        """Take the code with which somebody came back."""
        row.code = code
        return self.move(row, "AWAITING REVIEW")

    def link(self, template: str, row: MockSubmission) -> str:
        """Fill in a study's link for one person, as Prolific does."""
        values = {"PROLIFIC_PID": row.participant, "STUDY_ID": row.study, "SESSION_ID": row.id}
        for name, value in values.items():
            template = template.replace(f"{{{{%{name}%}}}}", value)
        return template

    def headers(self, webhook: Webhook) -> dict[str, str]:
        """Sign a webhook that is sent now."""
        sent = str(int(self.clock()))
        return {
            "Content-Type": "application/json",
            "X-Prolific-Request-Timestamp": sent,
            "X-Prolific-Request-Signature": signature_of(self.secret, sent, webhook.body),
            "X-Event-ID": webhook.event_id,
            "X-Timestamp": str(webhook.at),
        }

    def page(self, study: str, number: int, size: int) -> dict[str, Any]:
        """Return one page of the submissions of a study, as Prolific's list has them."""
        rows = [row for row in self.submissions.values() if row.study == study]
        size = min(size, self.page_size)
        shown = rows[(number - 1) * size : number * size]
        more = number * size < len(rows)
        return {
            "results": [
                {
                    "id": row.id,
                    "participant_id": row.participant,
                    "status": row.status,
                    "study_code": row.code or None,
                }
                for row in shown
            ],
            "_links": {"next": {"href": f"?study={study}&page={number + 1}" if more else None}},
            "meta": {"count": len(rows)},
        }


class MockServer(ThreadingHTTPServer):
    """Serves a mock on this machine.

    :param link: of the study on this site, with Prolific's placeholders; empty: no pages to play on.
    :param webhooks: where this site takes webhooks; empty: they are kept and not sent.
    """

    daemon_threads = True

    def __init__(
        self, mock: ProlificMock, *, port: int = 0, link: str = "", study: str = "", webhooks: str = ""
    ) -> None:
        super().__init__(("127.0.0.1", port), MockHandler)
        self.mock, self.study_link, self.study_id, self.webhooks_to = mock, link, study, webhooks
        self.said = ""

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def __enter__(self) -> MockServer:
        threading.Thread(target=self.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *anything: object) -> None:
        self.shutdown()
        self.server_close()

    def tell(self, webhook: Webhook) -> None:
        """Send a webhook, and remember what was answered, for the page."""
        if not self.webhooks_to:
            return
        request = urllib.request.Request(
            self.webhooks_to, webhook.body, self.mock.headers(webhook), method="POST"
        )
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE_S) as answer:
                self.said = answer.read(LARGEST).decode()
        except urllib.error.URLError as error:
            self.said = f"The webhook did not arrive: {error}"


class MockHandler(BaseHTTPRequestHandler):
    """Answers the API, and the pages on which one plays participant and researcher."""

    server: MockServer

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing: whoever learns looks at the pages."""

    def do_GET(self) -> None:
        url = urllib.parse.urlsplit(self.path)
        query = dict(urllib.parse.parse_qsl(url.query))
        if url.path == "/api/v1/submissions/":
            self.list_submissions(query)
        elif url.path == "/submissions/complete":
            self.complete(query.get("cc", ""))
        elif url.path == "/":
            server = self.server
            rows = server.mock.submissions.values()
            self.answer(200, front_page(server.study_id, rows, STATUSES[2:], server.said))
        else:
            self.answer(404, "Not found.", kind="text/plain")

    def do_POST(self) -> None:
        """Take what the pages post: somebody arrives, or a submission moves on."""
        length = min(int(self.headers.get("Content-Length", "0")), LARGEST)
        form = dict(urllib.parse.parse_qsl(self.rfile.read(length).decode()))
        mock, path = self.server.mock, urllib.parse.urlsplit(self.path).path
        if path == "/arrive":
            row = mock.arrive(self.server.study_id)
            for webhook in mock.webhooks[-2:]:
                self.server.tell(webhook)
            self.go(mock.link(self.server.study_link, row), submission=row.id)
            return
        known = mock.submissions.get(form.get("submission", ""))
        if known is None or path != "/move" or form.get("status") not in STATUSES:
            self.answer(404, "There is no such submission.", kind="text/plain")
            return
        self.server.tell(mock.move(known, form["status"]))
        self.go("/")

    def complete(self, code: str) -> None:
        """Take a code; whose it is says the cookie that arriving left, as a login does on Prolific."""
        cookies = SimpleCookie(self.headers.get("Cookie", ""))
        submission = cookies[COOKIE].value if COOKIE in cookies else ""
        row = self.server.mock.submissions.get(submission)
        if row is not None and code:
            self.server.tell(self.server.mock.complete(row, code))
        self.answer(200, back_page(code, is_known=row is not None))

    def list_submissions(self, query: dict[str, str]) -> None:
        if self.headers.get("Authorization") != f"Token {self.server.mock.token}":
            self.answer(401, json.dumps({"error": "wrong token"}), kind="application/json")
            return
        number, size = int(query.get("page", "1")), int(query.get("page_size", str(PAGE_SIZE)))
        page = self.server.mock.page(query.get("study", ""), number, size)
        self.answer(200, json.dumps(page), kind="application/json")

    def answer(self, status: int, text: str, *, kind: str = "text/html") -> None:
        data = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", f"{kind}; charset=utf-8")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def go(self, address: str, *, submission: str = "") -> None:
        self.send_response(303)
        self.send_header("Location", address)
        if submission:
            self.send_header("Set-Cookie", f"{COOKIE}={submission}; Path=/; HttpOnly; SameSite=Lax")
        self.send_header("Content-Length", "0")
        self.end_headers()
