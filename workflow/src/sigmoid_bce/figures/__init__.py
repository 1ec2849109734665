"""Figures, graphs and pages, drawn from files that rules wrote; nothing here computes a loss."""
