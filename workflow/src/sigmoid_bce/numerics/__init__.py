"""The conformance suite, in code the laboratory: how frameworks compute binary cross-entropy.

Nothing here knows studies, data sets or trained networks, and nothing here draws.
"""
