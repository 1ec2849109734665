"""Decisions before any job starts; nothing here imports TensorFlow, MLflow or pandas."""
