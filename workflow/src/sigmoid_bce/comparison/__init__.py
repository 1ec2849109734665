"""Compare the loss of raw outputs with the loss of sigmoid outputs."""
