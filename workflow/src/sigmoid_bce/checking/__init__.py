"""What to change in Python code and saved models that compute binary cross-entropy."""

from sigmoid_bce.checking.files import BadPath, Report, check, report
from sigmoid_bce.checking.rules import RULES, Finding

__all__ = ["RULES", "BadPath", "Finding", "Report", "check", "report"]
