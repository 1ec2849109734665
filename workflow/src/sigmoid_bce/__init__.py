"""What it costs to compute binary cross-entropy from sigmoid outputs instead of raw outputs."""
