"""Doctests of modules whose framework is no part of the default installation."""

from importlib.util import find_spec

collect_ignore = [] if find_spec("torch") else ["sigmoid_bce/torch.py"]
