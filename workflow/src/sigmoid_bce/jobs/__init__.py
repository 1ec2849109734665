"""How a job runs: files, logs, locks, devices, attempts. Nothing here may change a result."""
