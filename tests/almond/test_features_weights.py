"""The store of weights: files, addresses, broken connections, digests that are pinned."""

from __future__ import annotations

import hashlib
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import torch
from safetensors.torch import save_file

from almond.cli.main import main
from almond.encoding.features.networks import weights as weights_store
from almond.encoding.features.networks.download import fetch
from almond.encoding.features.networks.emonet import empty_emonet
from almond.encoding.features.networks.weights import add_file, add_url, stored_weights
from almond.errors import Cancelled, DigestMismatch, InputError
from almond.progress import Silent


def save_weights(path, value):
    """Published names and shapes, every number the same: stored once each, so that the file is small."""
    shapes = {name: given.shape for name, given in empty_emonet().state_dict().items()}
    torch.save({name: torch.tensor(value).expand(shape) for name, shape in shapes.items()}, path)
    return path


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    return save_weights(tmp_path_factory.mktemp("weights") / "emonet.pth", 0.0)


@pytest.fixture
def store(tmp_path, monkeypatch):
    monkeypatch.setenv("ALMOND_WEIGHTS", str(tmp_path / "store"))
    return tmp_path / "store"


class Server(ThreadingHTTPServer):
    """One file; ``breaks_at`` cuts the first answer off after so many bytes."""

    def __init__(self, data, *, tag='"one"', ranges=True, breaks_at=None):
        super().__init__(("127.0.0.1", 0), Answer)
        self.data, self.tag, self.ranges, self.breaks_at = data, tag, ranges, breaks_at
        self.asked: list[str | None] = []
        self.thread = threading.Thread(target=self.serve_forever, daemon=True)
        self.thread.start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_address[1]}/download/abc"

    def __exit__(self, *parts):
        self.shutdown()
        self.thread.join()
        super().__exit__(*parts)


class Answer(BaseHTTPRequestHandler):
    def do_GET(self):
        given = self.headers["Range"]
        self.server.asked.append(given)
        if self.path != "/download/abc":
            self.send_error(404)
            return
        data, start = self.server.data, 0
        fits = given and self.server.ranges and self.headers["If-Range"] == self.server.tag
        if fits:
            start = int(given.removeprefix("bytes=").removesuffix("-"))
            if start >= len(data):
                self.send_error(416)
                return
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
        else:
            self.send_response(200)
        self.send_header("Content-Length", str(len(data) - start))
        if self.server.tag:
            self.send_header("ETag", self.server.tag)
        self.end_headers()
        stop, self.server.breaks_at = self.server.breaks_at, None
        self.wfile.write(data[start:stop])
        self.close_connection = True

    def log_message(self, *parts):
        pass


def sha256(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_a_file_is_copied_pinned_and_found(weights, store, capsys):
    with pytest.raises(InputError, match="python -m almond weights emonet --file PATH"):
        stored_weights("emonet")
    assert main(["weights", "emonet", "--file", str(weights), "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed == {
        "name": "emonet",
        "path": str(store / "emonet.pt"),
        "sha256": sha256(weights),
    }
    assert stored_weights("emonet") == store / "emonet.pt"
    assert sorted(path.name for path in store.iterdir()) == ["emonet.json", "emonet.pt"]
    add_file("emonet", weights)  # the same bytes again are welcome
    with (store / "emonet.pt").open("r+b") as stream:
        stream.seek(-1, 2)
        stream.write(b"\x01")
    with pytest.raises(DigestMismatch):
        stored_weights("emonet")


def test_other_bytes_under_a_pinned_name_are_refused(weights, store, tmp_path, capsys):
    add_file("emonet", weights)
    other = save_weights(tmp_path / "other.pt", 1.0)
    with pytest.raises(DigestMismatch):
        add_file("emonet", other)
    assert main(["weights", "emonet", "--url", other.as_uri()]) == 1
    assert "recorded" in capsys.readouterr().err
    assert stored_weights("emonet").read_bytes() == weights.read_bytes()
    assert sorted(path.name for path in store.iterdir()) == ["emonet.json", "emonet.pt"]
    (store / "emonet.pt").unlink()  # the pin outlives the file
    with pytest.raises(DigestMismatch):
        add_file("emonet", other)


def test_the_wanted_digest_is_checked_before_anything_is_kept(weights, store, capsys):
    with pytest.raises(DigestMismatch):
        add_file("emonet", weights, sha256="0" * 64)
    assert list(store.iterdir()) == []
    assert main(["weights", "emonet", "--file", str(weights), "--sha256", "abc"]) == 1
    assert "is no SHA-256" in capsys.readouterr().err
    assert add_file("emonet", weights, sha256=sha256(weights).upper()).sha256 == sha256(weights)


def test_files_that_are_no_emonet_are_refused_and_nothing_is_pinned(store, tmp_path):
    (tmp_path / "page.html").write_text("<html>not found</html>")
    save_file({"a": torch.zeros(2)}, tmp_path / "a.safetensors")
    torch.save(["no", "weights"], tmp_path / "list.pt")
    for name, problem in {
        "page.html": "holds no weights",
        "a.safetensors": "missing: conv_0.0.weight",
        "list.pt": "holds a list",
        "absent.pt": "file not found",
    }.items():
        with pytest.raises(InputError, match=problem) as raised:
            add_file("emonet", tmp_path / name)
        assert name in str(raised.value)
    assert not store.exists() or list(store.iterdir()) == []


def test_an_address_of_a_server_whose_connection_breaks(weights, store):
    data = weights.read_bytes()
    with Server(data, breaks_at=len(data) // 3) as server:
        with pytest.raises(InputError, match=f"ended after {len(data) // 3} of {len(data)} bytes"):
            add_url("emonet", server.url)
        assert not (store / "emonet.json").exists()
        kept = add_url("emonet", server.url, sha256=sha256(weights))
        assert server.asked == [None, f"bytes={len(data) // 3}-"]
    assert kept.path.read_bytes() == data
    assert json.loads((store / "emonet.json").read_text())["source"] == server.url
    assert sorted(path.name for path in store.iterdir()) == ["emonet.json", "emonet.pt"]


DATA = bytes(range(256)) * 40


@pytest.mark.parametrize(
    ("change", "asked"),
    [
        ({}, "bytes=1000-"),
        ({"data": DATA[::-1], "tag": '"two"'}, "bytes=1000-"),  # changed in between: sent whole
        ({"ranges": False}, "bytes=1000-"),
        ({"tag": None}, None),  # nothing says that it is still the same: asked for whole
        ({"tag": 'W/"one"'}, None),
    ],
)
def test_what_is_left_is_continued_only_if_it_is_the_same(tmp_path, change, asked):
    tag = change.get("tag", '"one"')
    first = tag if tag is None or tag.startswith("W/") else '"one"'
    with Server(DATA, tag=first, ranges=change.get("ranges", True), breaks_at=1000) as server:
        with pytest.raises(InputError, match="ended after 1000"):
            fetch(server.url, tmp_path, ".x", Silent())
        server.data, server.tag = change.get("data", DATA), tag
        part = fetch(server.url, tmp_path, ".x", Silent())
        assert part.read_bytes() == server.data
        assert server.asked == [None, asked]
    assert list(tmp_path.iterdir()) == [part]


def test_a_whole_part_that_was_not_kept_begins_again(tmp_path):
    with Server(DATA) as server:
        part = fetch(server.url, tmp_path, ".x", Silent())
        part.with_name(part.name + ".json").write_text('{"tag": "\\"one\\""}')
        assert fetch(server.url, tmp_path, ".x", Silent()).read_bytes() == DATA
        assert server.asked == [None, f"bytes={len(DATA)}-", None]


def test_cancelling_keeps_what_came(tmp_path):
    class Stop:
        def report(self, fraction, message=""):
            raise Cancelled("stopped")

    with Server(DATA) as server, pytest.raises(Cancelled):
        fetch(server.url, tmp_path, ".x", Stop())
    assert any(path.stat().st_size == len(DATA) for path in tmp_path.glob("*.part"))


def test_addresses_that_cannot_be_fetched_are_named(tmp_path):
    with Server(DATA) as server:
        missing = server.url + "/absent"
        with pytest.raises(InputError, match="404"):
            fetch(missing, tmp_path, ".x", Silent())
    with pytest.raises(InputError, match="cannot be fetched"):
        fetch(server.url, tmp_path, ".x", Silent())  # nobody listens there any more
    with pytest.raises(InputError, match="cannot be fetched"):
        fetch((tmp_path / "absent.pt").as_uri(), tmp_path, ".x", Silent())
    with pytest.raises(InputError, match="is not an address"):
        fetch("ftp://example.org/x.pt", tmp_path, ".x", Silent())


def test_the_folder_is_the_one_of_the_user(monkeypatch, tmp_path):
    monkeypatch.delenv("ALMOND_WEIGHTS", raising=False)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    assert weights_store.weights_folder() == tmp_path / "almond" / "weights"
    monkeypatch.delenv("XDG_DATA_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert weights_store.weights_folder() == tmp_path / ".local" / "share" / "almond" / "weights"


def test_a_damaged_pin_is_named(store):
    store.mkdir()
    (store / "emonet.json").write_text("{}")
    with pytest.raises(InputError, match=r"emonet\.json: cannot be read"):
        stored_weights("emonet")
