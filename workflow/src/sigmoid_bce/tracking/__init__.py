"""MLflow as a window on the files: everything it shows is made from them, and can be made again."""
