"""Time limits, nodes and daemons end or fall silent, on a SLURM that keeps accounts."""

import os
import signal
import time

from support import accounting
from support.waits import ask, wait_until
from support.watched import CELLS, state, watched

SILENCE = 5  # seconds in which the database refuses many more queries than the plugin would accept


def account_of(job, column):
    return ask("sacct", "-X", "-n", "-P", "-j", job, "-o", column)


def test_a_time_limit_a_dead_node_and_silent_daemons(accounted, tmp_path):
    # too much memory for two on a node
    with watched(tmp_path, mem_mb=9000) as trainings:
        late, unlucky = trainings.in_attempt(1)
        node = ask("squeue", "-h", "-j", unlucky, "-o", "%N")
        # SLURM looks at time limits every 30 s: this training must not end before
        os.kill(trainings.records(CELLS[0])[-1]["pid"], signal.SIGSTOP)
        ask("scontrol", "update", f"JobId={late}", "EndTime=now")
        accounted.crash(node, unlucky)
        wait_until(lambda: state(unlucky) == "PENDING", "no failure of a node was noticed")
        accounted.start_slurmd(node)
        wait_until(lambda: state(late) == "TIMEOUT", "no time limit was kept")
        accounted.start_now(unlucky, node)
        again, _ = trainings.in_attempt(2)
        for daemon in ("slurmctld", "slurmdbd"):
            accounted.kill(daemon)
        wait_until(lambda: "sacct does not answer" in trainings.log(), "it was not asked")
        time.sleep(SILENCE)
        accounting.start_slurmdbd(accounted)
        accounted.start_slurmctld()
        os.kill(accounted.processes["slurmdbd"].pid, signal.SIGSTOP)
        time.sleep(SILENCE)
        os.kill(accounted.processes["slurmdbd"].pid, signal.SIGCONT)
    assert "SLURM answers again" in trainings.log()
    ends = [[(r["status"], r.get("ended_by")) for r in trainings.records(c)] for c in CELLS]
    assert ends == [
        [("KILLED", "time limit"), ("FINISHED", None)],
        [("KILLED", "node failure"), ("FINISHED", None)],
    ]
    jobs = [[r["slurm_job_id"] for r in trainings.records(cell)] for cell in CELLS]
    assert jobs == [[late, again], [unlucky, unlucky]]
    # a retry gets twice the time of a first try, which the other job is
    limits = [int(account_of(job, "TimelimitRaw")) for job in (unlucky, again)]
    assert limits[1] == 2 * limits[0]
