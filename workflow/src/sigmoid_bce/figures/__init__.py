"""Figures, graphs and pages, drawn from files that rules wrote; nothing here computes a loss."""

import os

# figures go into files: a backend of a notebook, or a mistyped one, may not be there
os.environ["MPLBACKEND"] = "agg"
