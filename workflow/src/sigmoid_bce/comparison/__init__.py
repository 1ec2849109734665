"""Compare the loss from raw outputs with the loss from sigmoid outputs; no figures, no networks."""
