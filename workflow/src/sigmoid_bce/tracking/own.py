"""What somebody added to a run under keys that the workflow never writes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TypeVar

from sigmoid_bce.tracking import runs
from sigmoid_bce.tracking.cell_files import PATCHES
from sigmoid_bce.tracking.points import COUNTS, SHOWN, STAGE_METRICS

FOLDERS = (f"{PATCHES}/", "raw_outputs/")
"""Folders of a run whose artifacts have names of any number."""

Value = TypeVar("Value")


class Keys:
    """The keys that the workflow writes to runs of a study.

    Parameters
    ----------
    wanted : iterable of runs.Run
        All runs that the files describe.

    Examples
    --------
    >>> keys, own = Keys([]), []
    >>> keys.ours("param", {"scale": "raw", "lucky": "7"}, own), own
    ({'scale': 'raw'}, ['param lucky'])
    """

    def __init__(self, wanted: Iterable[runs.Run]):
        wanted = list(wanted)
        self.known = {
            "param": {name for run in wanted for name in run.params} | runs.USUAL.keys(),
            "metric": {point.key for run in wanted for point in run.points}
            | {*STAGE_METRICS, *SHOWN, *COUNTS},
            "artifact": {name for run in wanted for name in run.files},
        }

    def ours(self, kind: str, there: Mapping[str, Value], own: list[str]) -> dict[str, Value]:
        """Return what the workflow may have written; note the rest.

        Parameters
        ----------
        kind : str
            param, metric or artifact.
        there : mapping
            Values, by their keys.
        own : list of str
            Gets kind and key of everything else.
        """
        known = self.known[kind]
        kept = {
            key: value
            for key, value in there.items()
            if key in known or (kind == "artifact" and key.startswith(FOLDERS))
        }
        own += [f"{kind} {key}" for key in sorted(there.keys() - kept)]
        return kept
