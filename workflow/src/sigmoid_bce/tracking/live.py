"""Show a training in MLflow while it goes on, without ever being in its way."""

from __future__ import annotations

import os
import threading
from typing import Any

from sigmoid_bce.tracking.address import shown

# before MLflow is imported: a server that is away costs a try, not minutes
os.environ["MLFLOW_HTTP_REQUEST_MAX_RETRIES"] = "0"
os.environ["MLFLOW_HTTP_REQUEST_TIMEOUT"] = "5"

PAUSE = 2.0  # seconds between two calls at least
LONGEST_PAUSE = 60.0  # after failures
FLUSH = 5.0  # seconds that the end of a training waits for the rest to be sent
BATCH = 100  # epochs a call


class Follower(threading.Thread):
    """A thread that sends a training's epochs to MLflow, and tries again later when it cannot.

    Parameters
    ----------
    record : dict
        The attempt's record: its tags, its start.
    rows : list of dict
        The epochs, to which the training appends.
    """

    def __init__(self, record: dict[str, Any], rows: list[dict[str, float]]):
        super().__init__(name="live view", daemon=True)
        self.record, self.rows = record, rows
        self.news, self.ended, self.end = threading.Event(), threading.Event(), None
        self.client = self.run_id = None
        self.sent, self.failures = 0, 0
        self.start()

    def wake(self) -> None:
        """Say that there is a new epoch."""
        self.news.set()

    def close(self, status: str, reason: str | None, ended: int) -> None:
        """Send the rest and the run's status, within a few seconds or not at all."""
        self.end = status, reason, ended
        self.ended.set()
        self.news.set()
        self.join(FLUSH if not self.failures else FLUSH / 4)
        if self.is_alive():
            print(f"live view: {self.sent} of {len(self.rows)} epochs were shown", flush=True)

    def run(self) -> None:
        """Send what is new, until the training ends."""
        while True:
            end = self.end  # before the rows: all of them are there once it is set
            try:
                self._send(end)
                self.failures = 0
            except Exception as error:
                self.failures += 1
                if self.failures == 1:
                    cause = (shown(error).strip().splitlines() or [type(error).__name__])[0]
                    print(f"live view: {cause[:200]}; trying again", flush=True)
            if end:
                return
            self.news.wait()
            self.ended.wait(min(LONGEST_PAUSE, PAUSE * 2**self.failures))
            self.news.clear()

    def _send(self, end: tuple | None) -> None:
        # in this thread: the import takes seconds
        from mlflow.entities import Metric

        from sigmoid_bce.jobs.attempts import times
        from sigmoid_bce.study.cells import Cell
        from sigmoid_bce.tracking import runs as desired
        from sigmoid_bce.tracking import store
        from sigmoid_bce.tracking import sync as log

        if self.client is None:
            self.client = store.client()
        if self.run_id is None:
            cell, tags = Cell.parse(self.record["cell"]), desired.live_tags(self.record)
            experiment = log.experiment_id(self.client, self.record["study"])
            # an earlier try may have made it, and lost the answer
            found = self.client.search_runs([experiment], f"tags.process = '{tags['process']}'")
            self.run_id = (
                found[0]
                if found
                else self.client.create_run(
                    experiment, self.record["started"], tags, desired.run_name(cell)
                )
            ).info.run_id
        seconds = [row["seconds"] for row in self.rows]
        # those of earlier attempts come one by one, too: none is sent before all are there
        resumed = self.record.get("resumed_from", 0)
        whole = len(seconds) >= resumed
        ends = times(self.record["started"], seconds, resumed) if whole else []
        while self.sent < len(ends):
            last = min(self.sent + BATCH, len(ends))
            points = [
                desired.Point(name, int(row["epoch"]), value, end_of)
                for row, end_of in zip(
                    self.rows[self.sent : last], ends[self.sent : last], strict=True
                )
                for name, value in row.items()
                if name != "epoch"
            ]
            finite, _ = desired.split_by_value(points)
            metrics = [Metric(p.key, p.value, p.time, p.step) for p in finite]
            self.client.log_batch(self.run_id, metrics=metrics)
            self.sent = last
        if end:
            status, reason, ended = end
            if status != "FINISHED":
                self.client.set_tag(self.run_id, "kind", "attempt")
                self.client.set_tag(self.run_id, "reason", reason)
            self.client.set_terminated(self.run_id, status, ended)
