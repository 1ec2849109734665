"""Watching a training: what its loss clips and leaves without a gradient, epoch by epoch."""
