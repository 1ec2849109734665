"""A live view: a thread sends the epochs of a running training to MLflow.

The training never waits for it, and none of its errors reaches the training.
"""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING

from sigmoid_bce.jobs.attempts import end_tags, times
from sigmoid_bce.jobs.credentials import masked
from sigmoid_bce.jobs.records import AttemptRecord, Row

if TYPE_CHECKING:  # the import of MLflow takes seconds: it is the thread's
    from mlflow import MlflowClient

PAUSE = 2.0  # seconds between two calls, at least
LONGEST_PAUSE = 60.0  # after failures
FLUSH = 5.0  # seconds that the end of a training waits for the last epochs to be sent
BATCH = 100  # epochs a call


def follower(record: AttemptRecord, rows: list[Row]) -> LiveView | None:
    """Start the live view of a training; return None where MLFLOW_TRACKING_URI is not set.

    Parameters
    ----------
    record : AttemptRecord
        The attempt's record.
    rows : list of Row
        The list that the training appends its epochs to.
    """
    if not os.environ.get("MLFLOW_TRACKING_URI"):
        return None
    # a server that is away costs one try, not minutes
    os.environ["MLFLOW_HTTP_REQUEST_MAX_RETRIES"] = "0"
    os.environ["MLFLOW_HTTP_REQUEST_TIMEOUT"] = "5"
    return LiveView(record, rows)


class LiveView(threading.Thread):
    """The thread that sends the epochs, and tries again later if that fails.

    Parameters
    ----------
    record : AttemptRecord
    rows : list of Row
        As for `follower`.
    """

    def __init__(self, record: AttemptRecord, rows: list[Row]):
        super().__init__(name="live view", daemon=True)
        self.record, self.rows = record, rows
        self.news, self.ended = threading.Event(), threading.Event()
        self.client: MlflowClient | None = None
        self.run_id: str | None = None
        self.sent, self.failures = 0, 0
        self.start()

    def wake(self) -> None:
        """Take notice of a new epoch."""
        self.news.set()

    def close(self) -> None:
        """Send the last epochs and the status; give up after a few seconds."""
        self.ended.set()
        self.news.set()
        self.join(FLUSH if not self.failures else FLUSH / 4)
        if self.is_alive():
            print(f"live view: {self.sent} of {len(self.rows)} epochs were sent", flush=True)

    def run(self) -> None:
        """Send new epochs until the training ends."""
        while True:
            end = self.ended.is_set()  # before the rows: they are complete once it is set
            try:
                self._send(end)
                self.failures = 0
            except Exception as error:
                self.failures += 1
                if self.failures == 1:
                    text = masked(error).strip()
                    cause = (text.splitlines() or [type(error).__name__])[0]
                    print(f"live view: {cause[:200]}; trying again", flush=True)
            if end:
                return
            self.news.wait()
            self.ended.wait(min(LONGEST_PAUSE, PAUSE * 2**self.failures))
            self.news.clear()

    def _send(self, end: bool) -> None:
        from sigmoid_bce.tracking import store

        client = self.client = self.client or store.client()
        run_id = self.run_id = self.run_id or self._find_or_create(client)
        self._send_epochs(client, run_id)
        if end:
            if self.record["status"] != "FINISHED":
                client.set_tag(run_id, "kind", "attempt")
                for name, value in end_tags(self.record).items():
                    client.set_tag(run_id, name, value)
            client.set_terminated(run_id, self.record["status"], self.record["ended"])

    def _find_or_create(self, client: MlflowClient) -> str:
        from sigmoid_bce.study.cells import Cell
        from sigmoid_bce.tracking import runs
        from sigmoid_bce.tracking.experiment import experiment_id

        experiment, tags = experiment_id(client, self.record["study"]), runs.live_tags(self.record)
        # an earlier call may have created the run although its answer was lost
        found = client.search_runs([experiment], f"tags.process = '{tags['process']}'")
        if found:
            return found[0].info.run_id
        name = runs.run_name(Cell.parse(self.record["cell"]))
        return client.create_run(experiment, self.record["started"], tags, name).info.run_id

    def _send_epochs(self, client: MlflowClient, run_id: str) -> None:
        from mlflow.entities import Metric

        from sigmoid_bce.tracking.points import epoch_points, split_by_value

        rows, resumed = self.rows[:], self.record.get("resumed_from", 0)
        if len(rows) < resumed:  # the epochs of earlier attempts are still being appended
            return
        ends = times(self.record["started"], [row["seconds"] for row in rows], resumed)
        while self.sent < len(rows):
            some = slice(self.sent, self.sent + BATCH)
            finite, _ = split_by_value(epoch_points(rows[some], ends[some]))
            metrics = [Metric(p.key, p.value, p.time, p.step) for p in finite]
            client.log_batch(run_id, metrics=metrics)
            self.sent += len(rows[some])
