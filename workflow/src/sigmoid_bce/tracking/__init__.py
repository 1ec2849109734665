"""MLflow as a window on the files: it can be made from them again. No result depends on it."""
