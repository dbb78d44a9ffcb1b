"""Visitors of a web server on this machine: many connections driven by one thread that does little.

A visitor is a generator: it yields a request, gets the reply, and yields the next. All wait in one
``selectors`` loop, so that the visitors cost a small share of a core; the share is measured.
"""

from __future__ import annotations

import itertools
import json
import selectors
import socket
import time
from collections import defaultdict
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

import numpy as np

STEP_SECONDS = 0.02
PATIENCE_SECONDS = 60.0


@dataclass(frozen=True)
class Request:
    """Bytes to send, and the name under which the time until the reply is counted."""

    data: bytes
    name: str


@dataclass(frozen=True)
class Reply:
    status: int
    head: str
    body: bytes

    def header(self, name: str) -> str:
        """Value of the first header of this name; empty without one."""
        for line in self.head.split("\r\n")[1:]:
            key, _, value = line.partition(":")
            if key.lower() == name:
                return value.strip()
        return ""


Visitor = Generator[Request, Reply, None]


@dataclass
class Load:
    """What visitors saw: seconds of every request by its name, and how long all took."""

    seconds: float = 0.0
    processor_seconds: float = 0.0
    latencies: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))

    def add(self, other: Load) -> None:
        self.seconds += other.seconds
        self.processor_seconds += other.processor_seconds
        for name, values in other.latencies.items():
            self.latencies[name] += values

    def per_second(self, name: str) -> float:
        return len(self.latencies[name]) / self.seconds

    def p95_ms(self, name: str) -> float:
        return round(1000 * float(np.percentile(self.latencies[name], 95)), 1)

    @property
    def own_share(self) -> float:
        """Share of a core that the visitors themselves used."""
        return self.processor_seconds / self.seconds


def get(path: str, name: str, cookie: str = "") -> Request:
    return Request(_head("GET", path, cookie) + b"\r\n", name)


def post(path: str, body: bytes, name: str, *, kind: str = "application/json", cookie: str = "") -> Request:
    head = (
        _head("POST", path, cookie) + f"Content-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    )
    return Request(head + body, name)


def post_form(path: str, fields: dict[str, str], name: str, cookie: str = "") -> Request:
    kind = "application/x-www-form-urlencoded"
    return post(path, urlencode(fields).encode(), name, kind=kind, cookie=cookie)


def _head(verb: str, path: str, cookie: str) -> bytes:
    more = f"Cookie: {cookie}\r\n" if cookie else ""
    return f"{verb} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n{more}".encode()


class Connection:
    """One visitor's connection: a request at a time."""

    def __init__(self, port: int, visitor: Visitor) -> None:
        self.visitor, self.received, self.sent_at = visitor, b"", 0.0
        self.request = next(visitor)
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def send(self) -> None:
        self.received, self.sent_at = b"", time.perf_counter()
        self.socket.sendall(self.request.data)

    def read(self) -> Reply | None:
        """Return the reply when all of it is there."""
        data = self.socket.recv(1 << 18)
        if not data:
            raise ConnectionError(
                f"the server closed the connection in the middle of {self.request.data[:80]!r}"
            )
        self.received += data
        head, end, body = self.received.partition(b"\r\n\r\n")
        if not end:
            return None
        reply = Reply(int(head[9:12]), head.decode("latin-1"), body)
        if reply.header("transfer-encoding") == "chunked":
            return reply if body.endswith(b"0\r\n\r\n") else None
        length = reply.header("content-length")
        if not length:
            raise ConnectionError(f"a reply without a length: {head[:200]!r}")
        return reply if len(body) >= int(length) else None


def drive(port: int, visitors: Sequence[Visitor], *, seconds: float | None = None, over: float = 0.0) -> Load:
    """Let visitors come and go on until each has nothing more to ask, or for so many seconds.

    :param over: their arrivals are spread evenly over so many seconds.
    :raises TimeoutError: no reply to anybody for a minute.
    """
    load = Load()
    with selectors.DefaultSelector() as selector:
        connections = [Connection(port, visitor) for visitor in visitors]
        begun, used = time.perf_counter(), time.process_time()
        arrivals = [begun + over * number / len(connections) for number in range(len(connections))]
        waiting = list(zip(arrivals, connections, strict=True))[::-1]
        last = begun
        while waiting or selector.get_map():
            now = time.perf_counter()
            if seconds is not None and now - begun > seconds:
                break
            while waiting and waiting[-1][0] <= now:
                connection = waiting.pop()[1]
                selector.register(connection.socket, selectors.EVENT_READ, connection)
                connection.send()
            for key, _ in selector.select(STEP_SECONDS):
                last = now
                if not _answered(key.data, load):
                    selector.unregister(key.fileobj)
            if now - last > PATIENCE_SECONDS + over:
                raise TimeoutError(f"no reply within {PATIENCE_SECONDS:.0f} s")
        load.seconds, load.processor_seconds = time.perf_counter() - begun, time.process_time() - used
    for connection in connections:
        connection.socket.close()
    return load


def _answered(connection: Connection, load: Load) -> bool:
    """Take in what came; False when this visitor has nothing more to ask."""
    reply = connection.read()
    if reply is None:
        return True
    load.latencies[connection.request.name].append(time.perf_counter() - connection.sent_at)
    try:
        connection.request = connection.visitor.send(reply)
    except StopIteration:
        return False
    connection.send()
    return True


def answers(posts: Iterator[Request]) -> Visitor:
    """Post one answer after the other."""
    for request in posts:
        expect(200, (yield request))


def expect(status: int, reply: Reply) -> Reply:
    if reply.status != status:
        raise RuntimeError(f"expected {status}, got {reply.head}\n{reply.body[:500]!r}")
    return reply


def posts_of(person: dict[str, Any]) -> Iterator[Request]:
    for body in person["posts"]:
        yield post(f"/take/{person['token']}/responses", json.dumps(body).encode(), "answer")


def dealt(people: Sequence[dict[str, Any]], clients: int) -> list[Iterator[Request]]:
    """Give every client somebody's answers to post, and the next one's when these are posted.

    Clients do not get on alike: the server's processes take unlike numbers of their connections.
    """
    waiting = iter(people)
    return [itertools.chain.from_iterable(map(posts_of, waiting)) for _ in range(clients)]
