"""Train a cell, and take its raw outputs."""
