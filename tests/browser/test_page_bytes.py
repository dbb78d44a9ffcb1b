"""The participant's page as bytes, over a real connection to the server that labs run."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.conf import settings

from ratings.services import join
from tests.site.small_study import make_study
from tests.site.test_server import served

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
MOST_BYTES = 45 * 1024
MOST_REQUESTS = 6


@pytest.fixture
def address(tmp_path: Path, collected_files: Path) -> Iterator[str]:
    """A server of its own processes, which show the images of this test."""
    pictures = settings.ALMOND_HOME / "stimuli"
    pictures.mkdir(exist_ok=True)
    (tmp_path / "stimuli").symlink_to(pictures)
    with served(tmp_path, collected_files) as here:
        yield here


@dataclass
class Traffic:
    """What a page asks for, and the bytes of the answers with their headers, as they came."""

    requests: dict[str, str] = field(default_factory=dict)
    sizes: dict[str, float] = field(default_factory=dict)

    def watch(self, page: Any) -> None:
        link = page.context.new_cdp_session(page)
        link.send("Network.enable")
        link.on("Network.requestWillBeSent", self.begun)
        link.on("Network.loadingFinished", self.ended)

    def begun(self, event: dict[str, Any]) -> None:
        self.requests[event["requestId"]] = event["request"]["url"]

    def ended(self, event: dict[str, Any]) -> None:
        self.sizes[event["requestId"]] = event["encodedDataLength"]

    def before_images(self) -> list[str]:
        """Ids of the requests before the first image, addresses within the page left out."""
        ours = [name for name, url in self.requests.items() if not url.startswith(("data:", "blob:"))]
        images = [name for name in ours if "/stimuli/" in self.requests[name]]
        return ours[: ours.index(images[0])]


def test_a_first_visit_is_few_bytes_in_few_requests(chromium: Any, address: str) -> None:
    token = join(study=make_study(rating_trials=4, choice_trials=3)).token
    context = chromium.new_context()
    page = context.new_page()
    traffic = Traffic()
    traffic.watch(page)
    page.goto(f"{address}/take/{token}/")
    page.locator("#study").get_by_role("button", name="Begin").wait_for()
    first = traffic.before_images()
    told = {traffic.requests[name].removeprefix(address): traffic.sizes.get(name) for name in first}
    assert len(first) <= MOST_REQUESTS, told
    assert sum(traffic.sizes[name] for name in first) <= MOST_BYTES, told
    assert {urlsplit(url).netloc for url in traffic.requests.values() if url.startswith("http")} == {
        urlsplit(address).netloc
    }
    print(told, sum(traffic.sizes[name] for name in first))
    context.close()
