"""MLflow shows the content of the files, and can be filled from them again. No result needs it."""
