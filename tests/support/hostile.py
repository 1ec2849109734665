"""A text of users that is code wherever it is not taken as a text."""

NAME = (
    "</script><script>window.hostile = 1</script><img src=x onerror='window.hostile = 2'>"
    " {v1} {1, 0} {dataset} $x_{$ $(touch hostile) `touch hostile` |b| *c* **d** _e_ f_ :raw:`g`"
    " .. raw:: html %s %(h)s {{ i }} {% j %} \\ \"k\" 'l' & <!-- --> ; DROP TABLE runs --"
    " [m](javascript:alert(1)) \u202e é 猫"
)
"""No reader may run, replace or drop a part of it."""

UNPRINTABLE = "_\n\t\x00\x1b[2J\x85\u2028\ud800"
"""What a figure, a page or a line of a log cannot hold."""


def spoil(study):
    """Put the text into every place of the smoke study that takes a user's text."""
    study["question"] += f" {NAME}"
    study["datasets"]["digits"] |= {"classes": [f"0{NAME}", f"1{NAME}"], "licence": NAME}
    for question in study.get("learning", {}).get("exploratory", {}).values():
        question["asks"] += f" {NAME}"
    return study
