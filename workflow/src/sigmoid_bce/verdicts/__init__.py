"""Raw outputs of a model trained anywhere: read, counted, judged."""
