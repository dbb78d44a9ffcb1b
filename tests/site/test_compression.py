"""Compressed answers: which browser gets what, and that all of them read the same."""

from __future__ import annotations

import gzip
import json
from typing import Any

import brotli
import pytest
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.test import Client, RequestFactory
from django.urls import reverse

from lab.compression import compressed
from ratings import services
from ratings.services.presentation import visit_of
from tests.site.small_study import make_study

WORDS = "How threatening is this scene? " * 20


@compressed
def page(request: HttpRequest) -> HttpResponse:
    return HttpResponse(WORDS)


def get(view: Any, accepted: str | None) -> HttpResponse:
    headers = {} if accepted is None else {"Accept-Encoding": accepted}
    answer = view(RequestFactory(headers=headers).get("/"))
    assert isinstance(answer, HttpResponse)
    return answer


@pytest.mark.parametrize(
    ("accepted", "encoding"),
    [
        ("gzip, deflate, br, zstd", "br"),
        ("br", "br"),
        ("br;q=0.5, gzip", "br"),
        ("br;q=0, gzip", "gzip"),
        ("br; q=0.000", None),
        ("gzip", "gzip"),
        ("x-br, brotli", None),
        ("", None),
        (None, None),
    ],
)
def test_each_browser_gets_what_it_takes(accepted: str | None, encoding: str | None) -> None:
    answer = get(page, accepted)
    read = {"br": brotli.decompress, "gzip": gzip.decompress, None: bytes}[encoding]
    assert answer.headers.get("Content-Encoding") == encoding
    assert answer.headers["Vary"] == "Accept-Encoding"
    assert read(answer.content).decode() == WORDS
    assert len(answer.content) < len(WORDS) or encoding is None


def test_a_short_answer_stays_as_it_is() -> None:
    answer = get(compressed(lambda request: JsonResponse({"finished": True})), "br, gzip")
    assert "Content-Encoding" not in answer.headers
    assert json.loads(answer.content) == {"finished": True}


@pytest.mark.django_db
def test_what_a_participant_fetches_is_compressed_and_whole(client: Client) -> None:
    joined = services.join(study=make_study())
    packed = visit_of(joined.participant).to_json()
    for name in ("state", "study"):
        address = reverse(f"participant_{name}", args=[joined.token])
        answer = client.get(address, headers={"Accept-Encoding": "gzip, br"})
        assert answer["Content-Encoding"] == "br"
        assert answer["Content-Length"] == str(len(answer.content))
        text = brotli.decompress(answer.content).decode()
        if name == "state":
            assert json.loads(text) == packed
        else:
            assert packed["images"]["digests"] in text


@pytest.mark.django_db
def test_the_consent_form_holds_a_secret_and_is_not_compressed(client: Client) -> None:
    address = make_study().join_path
    answer = client.get(f"{address}?PROLIFIC_PID=guess", headers={"Accept-Encoding": "gzip, br"})
    assert b"guess" in answer.content
    assert b"begin_token" in answer.content
    assert "Content-Encoding" not in answer
