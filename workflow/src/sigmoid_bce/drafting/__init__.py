"""A study file for data or a network of the user's: what they are, what is chosen, the file."""

from sigmoid_bce.drafting.draft import Draft, draft
from sigmoid_bce.drafting.found import Options

__all__ = ["Draft", "Options", "draft"]
