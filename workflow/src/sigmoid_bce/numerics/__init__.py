"""The laboratory: it compares how frameworks compute binary cross-entropy with an exact reference.

It knows nothing of studies, data sets and networks to train, and it draws nothing.
"""
