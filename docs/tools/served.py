"""What became of the probabilities of served networks, as documents quote it."""

from __future__ import annotations

from committed import read
from words import NETWORKS, markdown, number


def quotes() -> dict[str, str]:
    """Return the numbers that prose quotes of served networks, by name."""
    table = read("serving").query("output == 'sigmoid'").set_index(["precision"])
    half = table.loc["float16"].query("runtime == 'ONNX Runtime'").set_index("model")
    int8 = table.loc["int8"].set_index("model")
    head = "efficientnet_lite0"
    return {
        "served images": number(half.loc[head, "samples"], ".0f"),
        "served, float16, certain": number(half.loc[head, "certain"], ".0f"),
        "served, float16, loss": number(half.loc[head, "log_loss"], ".4f"),
        "served, exact loss": number(half.loc[head, "log_loss_exact"], ".4f"),
        "served, int8, loss": number(int8.loc[head, "log_loss"], ".4f"),
        "served, int8, decisions": number(int8["decisions_changed"].max(), ".0f"),
        "served, least certain": number(table.drop("int8")["certain"].min(), ".0f"),
    }


def serving() -> str:
    """Return the table of served networks."""
    keys, lines = ["model", "runtime", "precision"], []
    for (model, runtime, precision), rows in read("serving").groupby(keys, sort=False):
        sigmoid, raw = (rows.set_index("output").loc[output] for output in ("sigmoid", "raw"))
        lines.append(
            [
                NETWORKS[model],
                f"{runtime} {sigmoid['version']}",
                precision,
                f"{sigmoid['certain']:.0f} of {sigmoid['samples']:.0f}",
                number(sigmoid["log_loss"], ".4f"),
                number(raw["log_loss"], ".4f"),
                number(sigmoid["log_loss_exact"], ".4f"),
                number(sigmoid["ece"], ".4f"),
                number(sigmoid["ece_exact"], ".4f"),
                f"{sigmoid['decisions_changed']:.0f}",
            ]
        )
    head = "network|runtime|precision|exactly 0 or 1|loss, sigmoid served|loss, raw output served"
    head += "|loss, as trained|calibration error, served|calibration error, as trained"
    head += "|decisions changed"
    return markdown(head.split("|"), "lllrrrrrrr", lines)
