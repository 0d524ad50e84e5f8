"""The runs that a server was asked for: one after the other, in processes of their own, each saved as a whole or not.

A result is written to a hidden folder beside the others and then renamed, so that no reader sees half of it. Runs
belong to who started them: others neither see nor cancel them; the saved result is in the folder for all.
"""

from __future__ import annotations

import logging
import secrets
import shutil
import threading
import time
from collections import deque
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from stockstream.analytics.serving.backtests.processes import Limits, follow, why
from stockstream.analytics.serving.problems import Problem

logger = logging.getLogger(__name__)

MAX_WAITING = 8
"""Runs that wait for the one that runs."""
MAX_ENDED = 100
"""Runs of which the server remembers how they ended."""
HIDDEN = ".running-"
OLD_SECONDS = 86_400
"""Age of a hidden folder that no server can be writing any more: the time limit of a run is at most this."""
State = Literal["waiting", "running", "done", "failed", "cancelled"]


@dataclass
class Job:
    """A run that was asked for."""

    id: str
    owner: str
    order: dict[str, Any]
    """For `child.py`: strategy, parameters, settings, lake, generation."""
    title: str
    again: str
    """The query string of the form with these settings."""
    state: State = "waiting"
    done: int = 0
    """Sessions."""
    total: int = 0
    error: str | None = None
    """Why it failed, or why the strategy ended early."""
    saved_as: str | None = None
    """The name of the backtest in the folder."""
    printed: str = ""
    printed_bytes: int = 0
    cancelled: threading.Event = field(default_factory=threading.Event)

    @property
    def is_over(self) -> bool:
        """Whether its state changes no more."""
        return self.state not in ("waiting", "running")


class Jobs:
    """The queue of runs, and the thread that carries them out."""

    def __init__(self, folder: Path, limits: Limits) -> None:
        self.folder, self.limits = folder, limits
        self._lock = threading.Condition()
        self._waiting: deque[Job] = deque()
        self._jobs: dict[str, Job] = {}
        self._running: Job | None = None
        self._ended = False
        self._thread = threading.Thread(target=self._work, name="backtests", daemon=True)

    def start(self) -> None:
        """Delete what killed servers have left, and wait for orders."""
        for path in self.folder.glob(f"{HIDDEN}*"):
            if time.time() - path.lstat().st_mtime > OLD_SECONDS:
                logger.warning("deletes %s: no server is writing it any more", path)
                shutil.rmtree(path, ignore_errors=True)
        self._thread.start()

    def stop(self) -> None:
        """Cancel all runs, and wait until their processes have ended."""
        with self._lock:
            self._ended = True
            for job in self._jobs.values():
                job.cancelled.set()
            self._lock.notify_all()
        if self._thread.is_alive():
            self._thread.join()

    def submit(self, owner: str, order: dict[str, Any], title: str, again: str) -> Job:
        """Add a run to the queue.

        Raises:
            Problem: too many wait already (503).
        """
        with self._lock:
            if self._ended or len(self._waiting) >= MAX_WAITING:
                reason = f"{len(self._waiting)} runs wait already: try again when one has ended"
                raise Problem(503, reason, {"Retry-After": "30"})
            job = Job(secrets.token_hex(8), owner, order, title, again)
            self._waiting.append(job)
            self._jobs[job.id] = job
            self._forget()
            self._lock.notify_all()
            return job

    def of(self, owner: str) -> list[Job]:
        """Return the runs of an owner, the last one first."""
        with self._lock:
            return [job for job in reversed(self._jobs.values()) if job.owner == owner]

    def job(self, owner: str, identifier: str) -> Job:
        """Return a run of an owner.

        Raises:
            Problem: there is none, or it is that of another key (404).
        """
        with self._lock:
            job = self._jobs.get(identifier)
        if job is None or job.owner != owner:
            raise Problem(404, f"there is no run {identifier}: a server forgets its runs when it ends")
        return job

    def place(self, job: Job) -> int:
        """Return how many runs are before one that waits."""
        with self._lock:
            return (self._waiting.index(job) if job in self._waiting else 0) + (self._running is not None)

    def cancel(self, owner: str, identifier: str) -> Job:
        """Cancel a run of an owner; one that is over stays as it is.

        Raises:
            Problem: there is none (404).
        """
        job = self.job(owner, identifier)
        with self._lock:
            job.cancelled.set()
            if job in self._waiting:
                self._waiting.remove(job)
                job.state = "cancelled"
        return job

    def _forget(self) -> None:
        over = [job.id for job in self._jobs.values() if job.is_over]
        for identifier in over[: max(0, len(over) - MAX_ENDED)]:
            del self._jobs[identifier]

    def _work(self) -> None:
        while True:
            with self._lock:
                self._lock.wait_for(lambda: self._waiting or self._ended)
                if self._ended:
                    return
                job = self._running = self._waiting.popleft()
                job.state = "running"
            try:
                state = self._carry_out(job)
            except Exception as error:
                logger.exception("the run %s failed", job.id)
                reason = error.strerror if isinstance(error, OSError) else None
                job.error, state = f"the run failed: {reason or 'the log of the server says why'}", "failed"
            with self._lock:
                job.state, self._running = state, None
            logger.info("the run %s of %s: %s", job.id, job.owner, state)

    def _carry_out(self, job: Job) -> State:
        """Run a job, and return how it ended."""
        reported: dict[str, Any] = {}
        hidden = self.folder / f"{HIDDEN}{job.id}"

        def note(message: dict[str, Any]) -> None:
            reported.update(message)
            if isinstance(sessions := message.get("sessions"), list):
                job.done, job.total = sessions

        try:
            ended = follow(job.order | {"folder": str(hidden)}, self.limits, note, job.cancelled)
            job.printed, job.printed_bytes = ended.printed, ended.printed_bytes
            if reported.get("saved"):
                job.saved_as = self._publish(hidden, job)
                job.error = reported.get("failure")
                return "done"
            if ended.is_cancelled:
                return "cancelled"
            job.error = str(reported["error"]) if "error" in reported else why(ended, self.limits)
            return "failed"
        finally:
            shutil.rmtree(hidden, ignore_errors=True)

    def _publish(self, hidden: Path, job: Job) -> str:
        moment = datetime.now(UTC).strftime("%Y%m%d-%H%M%S")
        name = f"{job.title}-{moment}-{job.id[:4]}"
        hidden.rename(self.folder / name)
        return name
