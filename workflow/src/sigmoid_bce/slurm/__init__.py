"""SLURM: the nodes of a cluster, the requests of a workflow, the jobs in the queue; no results."""
