"""Figures and HTML pages, drawn from tables that rules wrote; nothing here computes a loss."""
