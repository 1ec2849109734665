"""What a SLURM cluster has, what a workflow asks of it, and what is in its queue."""
