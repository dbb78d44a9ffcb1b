"""The site's own pages at an address of this machine, for as long as a job needs them.

A worker does not know under which name its site is seen, and need not reach it: here the same pages, from the
same database, answer to this machine alone.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from typing import Any

from django.conf import settings
from django.contrib.staticfiles.handlers import StaticFilesHandler
from django.contrib.staticfiles.storage import ManifestFilesMixin, staticfiles_storage
from django.core.handlers.wsgi import WSGIHandler
from django.core.servers.basehttp import ThreadedWSGIServer, WSGIRequestHandler
from django.http.request import validate_host

HERE = "127.0.0.1"


class SilentHandler(WSGIRequestHandler):
    """Says nothing of requests: what goes wrong is told by the browser that asked."""

    def log_message(self, format: str, *args: Any) -> None:
        pass


class OwnSite:
    """The site as an application whose requests all come from this machine.

    They go under a name to which the site answers, as a proxy in front of it passes them on.
    """

    def __init__(self, port: int) -> None:
        handler = WSGIHandler()
        collected = isinstance(staticfiles_storage, ManifestFilesMixin)
        # Pages that take their files as they are written find them where they were written.
        self.application: Any = handler if collected else StaticFilesHandler(handler)
        self.origin = f"http://{HERE}:{port}"
        self.host = host_of_site(port)

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Any:
        environ["HTTP_HOST"] = self.host
        if environ.get("HTTP_ORIGIN") == self.origin:
            environ["HTTP_ORIGIN"] = f"http://{self.host}"
        return self.application(environ, start_response)


def host_of_site(port: int) -> str:
    """Return a name to which the site answers: this machine's address, else the first of its own names."""
    if validate_host(HERE, settings.ALLOWED_HOSTS):
        return f"{HERE}:{port}"
    return str(settings.ALLOWED_HOSTS[0]).lstrip(".")


@contextlib.contextmanager
def site_on_loopback() -> Iterator[str]:
    """Serve the site from threads of this process; yields its address, such as ``http://127.0.0.1:40123``."""
    server = ThreadedWSGIServer((HERE, 0), SilentHandler)
    port = server.server_address[1]
    server.set_app(OwnSite(port))
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), name="own site", daemon=True)
    thread.start()
    try:
        yield f"http://{HERE}:{port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
