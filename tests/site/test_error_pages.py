"""Whatever goes wrong, a person reads a page of ours, and a script gets JSON that keeps the answer."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.core.exceptions import PermissionDenied, SuspiciousOperation
from django.db import InterfaceError, OperationalError, connection
from django.template.loader import render_to_string
from django.test import Client

from config.error_pages import PAGES
from ratings import services, views
from ratings.services.presentation import addresses
from tests.site.small_study import answer_to, make_study


@pytest.fixture
def visitor() -> Client:
    """A browser that gets what a server would send, also for faults."""
    return Client(raise_request_exception=False)


def check_page(reply: Any, status: int) -> str:
    text = str(reply.content.decode())
    assert reply.status_code == status
    assert text.count("<main") == text.count("<h1>") == 1
    assert "css/participant.css" in text
    assert "answers that reached us are stored" in text
    return text


@contextmanager
def database_away(error: type[Exception]) -> Iterator[None]:
    def refuse(*arguments: Any) -> Any:
        raise error("server closed the connection unexpectedly")

    with connection.execute_wrapper(refuse):
        yield


@pytest.mark.parametrize("status", PAGES)
def test_pages_need_no_context(status: int) -> None:
    assert render_to_string(f"{status}.html").count("<main") == 1


@pytest.mark.django_db
def test_an_unknown_address_is_a_page_and_the_first_one_shows_a_way_on(visitor: Client) -> None:
    check_page(visitor.get("/nothing/here"), 404)
    front = visitor.get("/")
    assert front.status_code == 200
    assert "/admin/" in front.content.decode()


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("error", "status"),
    [(RuntimeError("x"), 500), (PermissionDenied("x"), 403), (SuspiciousOperation("x"), 400)],
)
def test_faults_and_refusals_are_pages(
    visitor: Client, monkeypatch: pytest.MonkeyPatch, error: Exception, status: int
) -> None:
    def fail(token: str) -> None:
        raise error

    monkeypatch.setattr(views, "find", fail)
    check_page(visitor.get("/take/abc/"), status)


@pytest.mark.django_db
@pytest.mark.parametrize("error", [OperationalError, InterfaceError])
def test_a_database_that_is_away_is_a_page_for_people_and_not_yet_for_scripts(
    visitor: Client, error: type[Exception]
) -> None:
    joined = services.join(study=make_study())
    at = addresses(joined.token)
    body = answer_to(joined.participant.trials.get(index=0))
    with database_away(error):
        page = visitor.get(at["study"])
        replies = [
            visitor.post(at["responses"], body, content_type="application/json"),
            visitor.post(at["events"], {"events": []}, content_type="application/json"),
            visitor.post(at["finish"], {}, content_type="application/json"),
            visitor.get(at["state"], headers={"Accept": "application/json"}),
        ]
        check_page(visitor.get("/study/scenes/"), 503)
    check_page(page, 503)
    assert page.headers["Retry-After"] == "10"
    for reply in replies:
        assert (reply.status_code, reply.headers["Retry-After"]) == (503, "10")
        assert reply.json() == {"acknowledged": False, "error": "503 Service Unavailable"}
    assert visitor.post(at["responses"], body, content_type="application/json").json()["acknowledged"] is True


@pytest.mark.django_db
def test_a_form_that_is_too_large_is_413(visitor: Client, settings: Any) -> None:
    make_study()
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 100
    check_page(visitor.post("/study/scenes/", {"agreed": "yes" * 100}), 413)
    check_page(visitor.post("/admin/login/", {"username": "a" * 200}), 413)


@pytest.mark.django_db
def test_a_method_that_an_address_does_not_take_is_a_page(visitor: Client) -> None:
    token = services.join(study=make_study()).token
    reply = visitor.get(addresses(token)["withdraw"])
    check_page(reply, 405)
    assert reply.headers["Allow"] == "POST"
    json = visitor.get(addresses(token)["responses"], headers={"Accept": "application/json"})
    assert json.json() == {"acknowledged": False, "error": "405 Method Not Allowed"}


@pytest.mark.django_db
def test_a_form_of_another_site_is_a_page() -> None:
    check_page(Client(enforce_csrf_checks=True).post("/admin/login/", {"username": "a"}), 403)


def test_a_host_that_is_not_ours_is_a_page(visitor: Client) -> None:
    check_page(visitor.get("/", headers={"Host": "elsewhere.example"}), 400)
