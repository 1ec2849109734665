"""The records of a training as its JSON files hold them: `attempt.json` and `run.json`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NotRequired, TypedDict

if TYPE_CHECKING:
    from sigmoid_bce.jobs.machine import Machine

Status = Literal["RUNNING", "FINISHED", "FAILED", "KILLED"]

Cause = Literal[
    "failed",
    "interrupted",
    "killed",
    "memory",
    "preempted",
    "cancelled",
    "time limit",
    "node failure",
]
"""Why an attempt ended before its cell was finished."""

Row = dict[str, float]
"""One epoch of a history: the value of each column."""


class Circumstances(TypedDict):
    """Where an attempt runs, and with which code and packages."""

    host: str
    pid: int
    slurm_job_id: str | None
    cuda_visible_devices: str | None  # of an attempt, None until the training has taken a GPU
    git_commit: str | None
    git_dirty: bool | None  # None where it is unknown, as of the commit
    git_patch: NotRequired[str | None]  # the name of a file in patches/, without its ending
    lock_sha256: str | None
    versions: dict[str, str | None]
    boot: NotRequired[str | None]  # the start of the machine, and its kernel's count of processes
    oom_kills: NotRequired[int | None]  # that it ended for lack of memory


class End(TypedDict):
    """How an attempt ended."""

    status: Status
    reason: str | None
    ended_by: NotRequired[Cause]  # where the status is FAILED or KILLED


class AttemptRecord(Circumstances):
    """The content of `attempt.json`."""

    study: str
    cell: str
    attempt: int
    started: int  # milliseconds since 1970, as `ended`
    previous: NotRequired[str]  # the process of the attempt before it
    previous_sha256: NotRequired[str]  # of what the record of that one said at its start
    resumed_from: NotRequired[int]  # epochs that it took over from earlier attempts
    status: NotRequired[Status]
    ended_by: NotRequired[Cause]  # where the status is FAILED or KILLED
    reason: NotRequired[str | None]
    ended: NotRequired[int]
    history_sha256: NotRequired[str]  # of its epochs, once it has ended


class PastAttempt(AttemptRecord):
    """An attempt's record with the folder that it was read from."""

    folder: Path


class RunRecord(AttemptRecord):
    """The content of `run.json`: the attempt that finished a cell, and the trained network."""

    seed: int
    epochs: int
    stopped_by: Literal["cap", "patience"]
    parameters: int
    sigmoid_cut_off: str
    model: dict[str, Any]  # the settings of its section in the configuration
    training: dict[str, Any]
    data: dict[str, Any]  # what the training saw of the data set
    seconds: float
    device: str
    threads: int
    deterministic: bool
    keras: dict[str, Any]  # floatx, epsilon, image_data_format and backend
    environment: dict[str, str]  # variables that may change the last bits of a result
    machine: NotRequired[Machine]  # records of earlier releases lack it
    mlflow_run_id: NotRequired[str]


class Identity(TypedDict):
    """Everything that the result of a training depends on."""

    cell: str
    model: dict[str, Any]
    module: str  # digest of the user's own network
    training: dict[str, Any]
    seen: dict[str, Any]
    releases: dict[str, str | None]
    code: str
    inputs: str  # SHA-256 of the file, as of the manifest
    manifest: str
