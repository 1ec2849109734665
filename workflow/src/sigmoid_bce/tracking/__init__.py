"""MLflow: a window on the files."""
