"""``make setup``: prepares ``.venv`` and the pages' packages, and nothing else.

Runs with the system's Python and its standard library alone. What was installed from which files is kept in
stamps, so that a second run takes a moment.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from scripts import vendor_js

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
OLDEST = (3, 11)
EXTRAS = "site,pdf,real,postgres,celery,test"
# Lines of pip that say what it is busy with for a while; the rest is noise.
PIP_SAYS = re.compile(r"Downloading .*\d MB\)|Installing collected|Successfully installed|ERROR|error:")


class Missing(Exception):
    """Something this machine lacks, in one line."""


def say(text: str) -> None:
    print(f"almond: {text}", flush=True)


def digest(*paths: Path, more: str = "") -> str:
    hashed = hashlib.sha256(more.encode())
    for path in paths:
        hashed.update(path.read_bytes())
    return hashed.hexdigest()


def is_fresh(stamp: Path, wanted: str) -> bool:
    return stamp.is_file() and stamp.read_text() == wanted


def find_python() -> str:
    """A Python that is new enough: the one that runs this, or another on the path."""
    if sys.version_info >= OLDEST:
        return sys.executable
    for minor in range(19, OLDEST[1] - 1, -1):
        if python := shutil.which(f"python3.{minor}"):
            return python
    here = ".".join(str(part) for part in sys.version_info[:3])
    raise Missing(
        f"Python {OLDEST[0]}.{OLDEST[1]} or newer is needed, this is {here} (Debian: python3; or PYTHON=...)"
    )


@contextmanager
def alone() -> Iterator[None]:
    """Wait until no other setup of this repository is at work."""
    with Path(__file__).open("rb") as held:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("waiting for another `make setup` of this folder")
            fcntl.flock(held, fcntl.LOCK_EX)
        except OSError as error:
            if error.errno not in (errno.EBADF, errno.ENOLCK):  # a network file system without such locks
                raise
        yield


def make_venv() -> None:
    if PYTHON.exists() and (VENV / "bin" / "pip").exists():  # pip comes last: without it one was broken off
        return
    python = find_python()
    say(f"making .venv with {python}")
    made = subprocess.run([python, "-m", "venv", str(VENV)], capture_output=True, text=True, check=False)
    if made.returncode != 0:
        shutil.rmtree(VENV, ignore_errors=True)
        if "ensurepip" in made.stdout + made.stderr:
            raise Missing("Python cannot make environments here: install Debian's python3-venv")
        raise Missing(f"{python} -m venv failed: {(made.stderr or made.stdout).strip()}")


def install_python_packages() -> None:
    files = (ROOT / "pyproject.toml", ROOT / "constraints.txt")
    wanted = digest(*files, more=f"{EXTRAS} {os.environ.get('ALMOND_PIP_ARGS', '')}")
    stamp = VENV / ".almond-packages"
    if is_fresh(stamp, wanted):
        return
    say("installing the Python packages of constraints.txt (minutes, the first time)")
    words = [str(PYTHON), "-m", "pip", "install", "--progress-bar", "off", "--disable-pip-version-check"]
    words += ["-e", f"{ROOT}[{EXTRAS}]", "-c", str(ROOT / "constraints.txt")]
    words += shlex.split(os.environ.get("ALMOND_PIP_ARGS", ""))
    run_telling(words)
    stamp.write_text(wanted)


def run_telling(words: list[str]) -> None:
    """Run pip and pass on the lines that say where it is; all of its last ones when it fails."""
    lines: list[str] = []
    with subprocess.Popen(
        words, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            lines.append(line)
            if PIP_SAYS.match(line.strip()):
                print(f"  {line.strip()[:100]}", flush=True)
    if process.returncode != 0:
        sys.stderr.write("".join(lines[-15:]))
        raise Missing("pip could not install the packages; its last lines are above")


def install_page_packages() -> None:
    """jsPsych from npm, as ``package-lock.json`` pins them, copied to where pages look."""
    lock = ROOT / "package-lock.json"
    files = (ROOT / "package.json", lock, ROOT / "scripts" / "vendor_js.py")
    stamp = ROOT / "node_modules" / ".almond-packages"
    wanted = digest(*files)
    if is_fresh(stamp, wanted) and not vendor_js.broken():
        return
    for program, package in (("node", "nodejs"), ("npm", "npm")):
        if shutil.which(program) is None:
            raise Missing(
                f"{program} is missing: participants' pages need jsPsych from npm (Debian: {package})"
            )
    say("installing the pages' packages from npm")
    words = ["npm", "ci", "--no-audit", "--no-fund", "--loglevel", "error"]
    if subprocess.run(words, cwd=ROOT, check=False).returncode != 0:
        raise Missing("npm could not install the packages of package-lock.json; its lines are above")
    words = [str(PYTHON), str(ROOT / "scripts" / "vendor_js.py")]
    if subprocess.run(words, cwd=ROOT, check=False).returncode != 0:
        raise Missing("the pages' packages could not be copied to static/vendor; its line is above")
    stamp.write_text(wanted)


def main() -> int:
    try:
        with alone():
            make_venv()
            install_python_packages()
            install_page_packages()
    except Missing as missing:
        sys.stderr.write(f"almond: {missing}\n")
        return 1
    except OSError as error:
        sys.stderr.write(f"almond: {error.filename or ROOT}: {error.strerror}\n")
        return 1
    except KeyboardInterrupt:
        sys.stderr.write("almond: stopped; `make setup` goes on from here\n")
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
