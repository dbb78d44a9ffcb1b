"""The participant's page as bytes, over a real connection to the server that labs run.

Bytes, requests and their order are the same on every machine, time is not: ``python -m benchmarks.page``.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.conf import settings

from benchmarks.page import Traffic, begin, load_trials, open_consent
from ratings.services import Joined, join
from studies.models import Study
from tests.site.small_study import make_matched_set, make_study
from tests.site.test_server import served

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
MOST_BYTES = 47_000
MOST_BYTES_GZIP = 53_500
"""For browsers that take no brotli, as on plain http."""
MOST_REQUESTS = 6


@pytest.fixture
def address(tmp_path: Path, collected_files: Path) -> Iterator[str]:
    """A server of its own processes, which show the images of this test."""
    pictures = settings.ALMOND_HOME / "stimuli"
    pictures.mkdir(exist_ok=True)
    (tmp_path / "stimuli").symlink_to(pictures)
    with served(tmp_path, collected_files) as here:
        yield here


def study_of(images: int) -> Study:
    """A study whose participants each rate so many images; four of a scene are rated."""
    return make_study(matched_set=make_matched_set(scenes=images // 4), rating_trials=images, choice_trials=2)


def first_pictures(joined: Joined) -> list[str]:
    return list(joined.participant.trials.get(index=0).digests)


@pytest.mark.parametrize(("brotli", "most"), [(True, MOST_BYTES), (False, MOST_BYTES_GZIP)])
def test_a_first_visit_is_few_bytes_in_few_requests(
    chromium: Any, address: str, *, brotli: bool, most: int
) -> None:
    joined = join(study=study_of(200))
    assert joined.participant.trials.count() == 202
    with chromium.new_context() as context:
        traffic = load_trials(context.new_page(), f"{address}/take/{joined.token}/", brotli=brotli)
    told = {exchange.url: exchange.size for exchange in traffic.before_images()}
    assert min(told.values()) > 0
    assert len(traffic.before_images()) <= MOST_REQUESTS, told
    assert sum(told.values()) <= most, told
    assert {urlsplit(exchange.url).netloc for exchange in traffic.exchanges} == {urlsplit(address).netloc}


def test_the_first_trial_waits_for_its_own_picture_alone(chromium: Any, address: str) -> None:
    """All other pictures never come."""
    joined = join(study=study_of(200))
    (first,) = first_pictures(joined)
    asked: list[str] = []
    with chromium.new_context() as context:
        page = context.new_page()
        page.route(
            lambda url: "/stimuli/" in url,
            lambda route: (
                route.continue_() if first in route.request.url else asked.append(route.request.url)
            ),
        )
        page.goto(f"{address}/take/{joined.token}/")
        page.locator("#study").get_by_role("button", name="Begin").click()
        page.locator(".rating[data-shown]").wait_for()
        page.wait_for_function("() => document.getElementById('progress').dataset.pictures === '1 of 200'")
    assert 0 < len(set(asked)) <= MOST_REQUESTS


def test_the_first_picture_is_fetched_once_and_early(chromium: Any, address: str) -> None:
    joined = join(study=study_of(8))
    (first,) = first_pictures(joined)
    with chromium.new_context() as context:
        traffic = load_trials(context.new_page(), f"{address}/take/{joined.token}/")
    pictures = [exchange for exchange in traffic.exchanges if exchange.is_picture]
    assert len(pictures) == len({exchange.url for exchange in pictures}) == 8
    assert first in pictures[0].url
    scripts = [exchange for exchange in traffic.exchanges if exchange.url.endswith(".js")]
    assert pictures[0].begun < max(script.ended for script in scripts)


def test_whoever_has_read_the_consent_has_the_scripts(chromium: Any, address: str) -> None:
    study = study_of(8)
    with chromium.new_context() as context:
        page = context.new_page()
        traffic = Traffic()
        traffic.watch(page)
        open_consent(page, f"{address}{study.join_path}")
        page.wait_for_load_state("networkidle")
        before = len(traffic.exchanges)
        begin(page)
        page.locator("#study").get_by_role("button", name="Begin").wait_for()
    fetched = [exchange for exchange in traffic.exchanges[before:] if exchange.size]
    parts = [urlsplit(exchange.url).path for exchange in fetched if not exchange.is_picture]
    assert parts[0] == study.join_path  # the form
    assert [path for path in parts[1:] if not path.startswith("/take/")] == []
