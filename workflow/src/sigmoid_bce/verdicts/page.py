"""The verdict's files: figures, tables, the words, and one page that holds them all."""

from __future__ import annotations

import base64
import html
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib import pyplot as plt
from matplotlib.figure import Figure
from numpy.typing import NDArray

from sigmoid_bce.comparison import compare
from sigmoid_bce.figures import batch_mean, raw_outputs, stage, style
from sigmoid_bce.jobs.files import replacing, write_csv
from sigmoid_bce.verdicts.count import Counted
from sigmoid_bce.verdicts.judge import Verdict
from sigmoid_bce.verdicts.tally import HALF_BINS, SIGMOID_BINS, Tally
from sigmoid_bce.verdicts.words import EVERY
from sigmoid_bce.verdicts.words import GLOSSARY as WORDS

POINTS = 20_000
"""Samples a scatter shows, at most about."""
BINS = 60
CLASSES = ("label 0", "label 1")
PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><title>{title}</title>
<style>
body {{ font: 15px/1.5 sans-serif; margin: 1.5em auto; max-width: 75em; padding: 0 1em }}
img {{ max-width: 100% }}
figure {{ margin: 1.5em 0 }}
figcaption {{ color: #444 }}
.scroll {{ overflow-x: auto }}
table {{ border-collapse: collapse; font-size: 12px }}
th, td {{ padding: .2em .6em; text-align: right; border-bottom: 1px solid #ddd }}
tr:hover {{ background: #f4f4f4 }}
.warning {{ background: #fff3cd; padding: .4em .8em }}
</style>
<h1>{title}</h1>
{body}
</html>
"""


def _histogram(tally: Tally) -> tuple[NDArray, NDArray]:
    """Return edges and counts of raw outputs, in about `BINS` bins from least to greatest."""
    edges = np.arange(-HALF_BINS, HALF_BINS + 1) * tally.bin_width
    first = np.searchsorted(edges, tally.low, "right") - 1
    last = np.searchsorted(edges, tally.high, "right")
    step = max(1, (last - first) // BINS)
    # whole groups of bins; those past the range are empty
    last = min(first + -(-(last - first) // step) * step, 2 * HALF_BINS)
    starts = np.arange(first, last, step)
    counts = np.add.reduceat(tally.histogram[:, :last], starts, axis=1)
    return np.append(edges[starts], edges[last]), counts


def _shown(counted: Counted, samples: pd.DataFrame, total: Tally) -> pd.DataFrame:
    """Return the samples that scatters show: some, and the most extreme, label 0 or 1."""
    step = -(-len(samples) // POINTS)
    shown = samples.iloc[::step]
    if len(shown) < total.samples:
        ends = [
            pd.DataFrame({"label": float(label), "raw_output": x})
            for label, x in enumerate(total.extremes)
        ]
        ends = pd.concat(ends).assign(sample_id=-1)
        ends["raw_output"] = ends["raw_output"].astype(samples["raw_output"].dtype)
        shown = pd.concat([shown, compare.samples(ends)], ignore_index=True)
    return shown.assign(label=(shown["label"] > 0.5).astype(int))


def figures(
    verdict: Verdict,
    counted: Counted,
    samples: pd.DataFrame,
    batches: pd.DataFrame,
    shape: tuple[int, ...] = (),
) -> dict[str, tuple[Figure, str]]:
    """Draw the figures of a verdict.

    Parameters
    ----------
    verdict, counted, samples, batches
        What `sigmoid_bce.verdicts.judge.judge` returned.
    shape : tuple of int
        Height and width, if rows are maps.

    Returns
    -------
    dict of str to (Figure, str)
        By name, figure and caption.
    """
    name, total = Path(verdict.name).name, counted.total()
    shown = _shown(counted, samples, total)
    unit = "pixels" if shape else "samples"
    some = ""
    histograms = None
    if len(samples) < total.samples:
        histograms = {
            "raw_output": _histogram(total),
            "sigmoid": (np.linspace(0, 1, SIGMOID_BINS + 1), total.sigmoid_histogram),
        }
        some = (
            f" Of the {total.samples:,} {unit}, {len(samples):,} were kept, drawn evenly, "
            "beside the most extreme of each label."
        )
    if len(shown) < min(len(samples), total.samples):
        some += f" The scatter shows {len(shown):,}."
    inside = shown[~shown["clipped"]]
    inside = inside if len(inside) else shown
    out = {
        "figure-4": (
            stage.draw(inside, CLASSES, f"{name}: where the clip does not act", unit),
            "Raw outputs by label, sigmoid outputs by label, and the loss from the sigmoid output "
            "against the loss from the raw output: the samples that the clip leaves alone, as it "
            f"did all of the article's after eight epochs.{some}",
        ),
        "figure-5": (
            stage.draw(shown, CLASSES, name, unit, histograms),
            "The same of all samples. Beyond the clip the loss from the sigmoid output no longer "
            "moves: on the correct side it stays above its floor, on the wrong side below about "
            f"16.{' Histograms count every sample.' if histograms else ''}{some}",
        ),
    }
    sizes = sorted(batches["batch_size"].unique())
    size = max(s for s in sizes if s <= 4)
    holds = " of whole maps" if shape else ""
    out["figure-6"] = (
        batch_mean.draw(batches, [size], name),
        f"Mean losses of batches of {size}{holds}: what the mean leaves of the difference.",
    )
    if sizes != [size]:
        out["batch-mean"] = (
            batch_mean.draw(batches, sizes, name),
            f"The same for batches of {', '.join(map(str, sizes))}.",
        )
    labels = list(verdict.outputs["label"][:-1])
    if labels:
        parts = [_histogram(tally) for tally in counted.tallies]
        more = f" The first {raw_outputs.MOST} labels." if len(labels) > raw_outputs.MOST else ""
        out["labels"] = (
            raw_outputs.by_label(labels, parts, unit, name),
            f"Raw outputs label by label.{more}",
        )
    if shape:
        x, y = (part[:, 0] for part in counted.first)
        pixels = compare.samples(
            pd.DataFrame({"sample_id": np.arange(len(x)), "label": y, "raw_output": x})
        )
        of = f", label {labels[0]}" if labels else ""
        out["map"] = (
            raw_outputs.as_map(pixels, shape, f"{name}: row 1{of}"),
            "The first map: its labels, its raw outputs, and where the clip acts.",
        )
    return out


def _table(table: pd.DataFrame) -> str:
    text = table.to_html(index=False, border=0, float_format="{:.4g}".format)
    return f'<div class="scroll">{text}</div>'


def _page(verdict: Verdict, drawn: dict[str, str]) -> str:
    """Return the page's HTML; `drawn` holds the figures' elements."""
    paragraphs = [f'<p class="warning">{html.escape(text)}</p>' for text in verdict.warnings]
    first, *rest = (html.escape(text) for text in verdict.sentences)
    paragraphs += [f"<p><strong>{first}</strong></p>", *(f"<p>{text}</p>" for text in rest)]
    paragraphs.append("<h2>What to write instead</h2><p>x is a raw output, y its label.</p>")
    lines = pd.DataFrame(verdict.instead.items(), columns=["framework", "loss from raw outputs"])
    paragraphs += [_table(lines), "<h2>Figures</h2>", *drawn.values()]
    whole = verdict.implementations[verdict.implementations["label"] == EVERY]
    for title, table in (
        ("Raw outputs", verdict.outputs),
        ("Batches", verdict.batches),
        ("Implementations", whole.drop(columns="label")),
    ):
        paragraphs += [f"<h2>{title}</h2>", _table(table)]
    paragraphs.append(
        f"<p>{WORDS} Off: more than 1 % from the truth, from there on. loss_change: what flat "
        "losses add to the mean loss. The same by label is in tables/implementations.csv.</p>"
    )
    return PAGE.format(title=html.escape(verdict.name), body="\n".join(paragraphs))


def write(
    folder: str | Path,
    verdict: Verdict,
    counted: Counted,
    samples: pd.DataFrame,
    batches: pd.DataFrame,
    shape: tuple[int, ...] = (),
) -> None:
    """Write a verdict's files: verdict.html, verdict.txt, figures/ and tables/.

    Parameters
    ----------
    folder : str or Path
        Where to; made if need be.
    verdict, counted, samples, batches, shape
        As for `figures`.
    """
    folder, drawn = Path(folder), {}
    for name, (figure, caption) in figures(verdict, counted, samples, batches, shape).items():
        svg = folder / "figures" / f"{name}.svg"
        style.save(figure, svg, svg.with_suffix(".png"))
        plt.close(figure)
        data = base64.b64encode(svg.read_bytes()).decode()
        title = name.replace("-", " ").capitalize()
        drawn[name] = (
            f'<figure><img src="data:image/svg+xml;base64,{data}" alt="{title}">'
            f"<figcaption>{title}. {html.escape(caption)}</figcaption></figure>"
        )
    for name in ("outputs", "implementations", "batches"):
        write_csv(getattr(verdict, name), folder / "tables" / f"{name}.csv")
    for name, text in (("verdict.txt", f"{verdict!r}\n"), ("verdict.html", _page(verdict, drawn))):
        with replacing(folder / name) as part:
            part.write_text(text)
