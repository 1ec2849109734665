"""The verdict on the raw outputs of any model: read, counted, judged, written. No training."""
