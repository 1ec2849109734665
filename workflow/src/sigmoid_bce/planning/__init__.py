"""What is decided before any job starts; no TensorFlow, no MLflow, no pandas."""
