"""Train a cell and take its raw outputs. Only rules that run networks import from here."""
