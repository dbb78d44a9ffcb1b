"""The identity of a worker, and whether its process is alive."""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass
from pathlib import Path

import psutil


def this_machine() -> str:
    """Return host name and process namespace: containers may share a host name, but not their PIDs."""
    namespace = Path("/proc/self/ns/pid")
    inside = os.readlink(namespace).strip("pid:[]") if namespace.is_symlink() else "0"
    return f"{socket.gethostname()}/{inside}"


@dataclass(frozen=True)
class Worker:
    """A process: machine, PID and start time, which distinguishes it from a later one with the same PID."""

    machine: str
    pid: int
    began: int

    @classmethod
    def this_process(cls) -> Worker:
        return cls(this_machine(), os.getpid(), round(100 * psutil.Process().create_time()))

    @classmethod
    def parse(cls, name: str) -> Worker:
        machine, pid, began = name.rsplit(":", 2)
        return cls(machine, int(pid), int(began))

    def __str__(self) -> str:
        return f"{self.machine}:{self.pid}:{self.began}"

    def is_dead(self) -> bool:
        """Return True only when it ran on this machine and is gone; elsewhere only the heartbeat can say."""
        if self.machine != this_machine():
            return False
        try:
            process = psutil.Process(self.pid)
            began = round(100 * process.create_time())
            return abs(began - self.began) > 100 or bool(process.status() == psutil.STATUS_ZOMBIE)
        except psutil.NoSuchProcess:
            return True
