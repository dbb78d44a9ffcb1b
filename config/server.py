"""The web server: ``python -m config.server --port 8000``, until it is asked to end.

Waitress reads headers and bodies in one loop, whole, before a thread works on a request: a visitor whose
connection stalls holds no thread, so that eight slow telephones stop nobody. Several processes share one
port; one that dies is started again.
"""

from __future__ import annotations

import argparse
import logging
import os
import signal
import socket
import sys
import time
from typing import Any

from django.utils.module_loading import import_string
from waitress.server import create_server

from config.static_files import uncollected

log = logging.getLogger("almond.server")

STALLED_SECONDS = 30
"""After so many seconds without a byte a connection is closed."""
CONNECTIONS = 2000
"""Open at once in one process, most of them idle."""
BACKLOG = 2048
AGAIN_SECONDS = 1.0
"""Between the death of a process and the start of the next, so that a quick death does no harm."""


def listen(host: str, port: int) -> socket.socket:
    """Open the listening socket that all processes share."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(BACKLOG)
    except OSError:
        listener.close()
        raise
    listener.setblocking(False)
    return listener


def serve(application: Any, listener: socket.socket, threads: int) -> None:
    """Answer requests in this process until SIGTERM; what is being worked on is finished."""
    server: Any = create_server(
        application,
        sockets=[listener],
        threads=threads,
        connection_limit=CONNECTIONS,
        channel_timeout=STALLED_SECONDS,
        cleanup_interval=5,
        ident=None,
        asyncore_use_poll=True,
        clear_untrusted_proxy_headers=False,  # the settings say which proxies are trusted (ALMOND_PROXIES)
    )

    def end(*signal_and_frame: Any) -> None:
        raise SystemExit(0)

    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the first process passes Ctrl-C on as SIGTERM
    server.run()  # returns after SystemExit, when its threads have finished


def load_pages() -> None:
    """Load the views and trial kinds now, for all processes: else the first visitors of each wait for it."""
    from django.urls import get_resolver

    from almond.design.trials import TRIAL_KINDS

    for pattern in get_resolver().url_patterns:
        getattr(pattern, "url_patterns", None)
    TRIAL_KINDS.entries()


class Processes:
    """The processes that serve; this one only starts them, and starts again what dies."""

    def __init__(self, application: Any, listener: socket.socket, count: int, threads: int) -> None:
        self.application, self.listener = application, listener
        self.count, self.threads = count, threads
        self.living: set[int] = set()
        self.ending = False

    def start(self) -> None:
        pid = os.fork()
        if pid == 0:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            serve(self.application, self.listener, self.threads)
            logging.shutdown()
            os._exit(0)
        self.living.add(pid)

    def end(self, *signal_and_frame: Any) -> None:
        self.ending = True
        for pid in self.living:
            os.kill(pid, signal.SIGTERM)

    def run(self) -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self.end)
        for _ in range(self.count):
            self.start()
        while self.living:
            pid, status = os.wait()
            self.living.discard(pid)
            if self.ending:
                continue
            log.error("server process %d ended with status %d; starting another", pid, status)
            time.sleep(AGAIN_SECONDS)
            if not self.ending:
                self.start()


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m config.server", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default 127.0.0.1)")
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--threads", type=int, default=4, help="in each process")
    wanted = parser.parse_args(arguments)
    try:
        listener = listen(wanted.host, wanted.port)
    except OSError as error:
        sys.stderr.write(f"almond: port {wanted.port} of {wanted.host}: {error.strerror}\n")
        return 1
    # Loaded here, once: the processes share it, and what is wrong with the settings ends this process.
    application = import_string("config.wsgi.application")
    if (missing := uncollected()) is not None:
        sys.stderr.write(f"almond: {missing}: the pages' files are not there (run manage.py collectstatic)\n")
        return 1
    load_pages()
    Processes(application, listener, wanted.processes, wanted.threads).run()
    return 0


if __name__ == "__main__":
    sys.exit(main())
