"""Optimisers: each file defines `optimizer(learning_rate)`, and its name is the optimiser's name.

`optimizer` returns a `keras.optimizers.Optimizer`. Checkpoints keep its `variables`.
"""
