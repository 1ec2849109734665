"""The conformance suite, in code the laboratory: how frameworks compute binary cross-entropy.

They are compared with an exact reference. Nothing here knows studies, data sets or trained networks,
and nothing here draws.
"""
