"""The files of a verdict: figures, tables, the words, and one page with all of them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sigmoid_bce.comparison import compare
from sigmoid_bce.figures import batch_mean, html, raw_outputs, stage, style
from sigmoid_bce.jobs.files import replacing, write_csv
from sigmoid_bce.verdicts.count import Counted
from sigmoid_bce.verdicts.harm import Harm, counts, effect, percent
from sigmoid_bce.verdicts.listing import distinct
from sigmoid_bce.verdicts.programs import HALF, in_use
from sigmoid_bce.verdicts.result import Verdict
from sigmoid_bce.verdicts.tally import HALF_BINS, SIGMOID_BINS, Tally

if TYPE_CHECKING:
    from matplotlib.figure import Figure

POINTS = 20_000
"""Samples in a scatter plot, at most about."""
BINS = 60
CLASSES = ("label 0", "label 1")
Histogram = tuple[NDArray[Any], NDArray[Any]]
OUTPUTS = {
    "label": "label",
    "samples": "samples",
    "mistakes": "mistakes",
    "ones_share": "share of label 1",
    "correct_share": "share of right signs",
    "raw_output_min": "least raw output",
    "raw_output_max": "greatest",
    "wrong_side_max": "furthest mistake",
    "mean_loss": "mean loss",
    "left_out": "left out",
}
BATCHES = {
    "batch_size": "batch size",
    "batches": "batches",
    "with_clipped": "with a clipped sample",
    "relative_error_median": "median error of the mean",
    "relative_error_max": "largest error",
}
"""Columns of tables, and what the page calls them."""
NAMES = {
    "figure-4": "Samples that are not clipped",
    "figure-5": "All samples",
    "figure-6": "Batches of 4",
    "batch-mean": "Batches of every size",
    "labels": "Labels",
    "map": "Map",
}
"""Figures, and what the page calls them."""
TABLES = ("outputs", "implementations", "batches")


class Drawn(NamedTuple):
    """A figure and its caption."""

    figure: Figure
    caption: str


def _histogram(tally: Tally) -> Histogram:
    """Return edges and counts of raw outputs, in about `BINS` bins from least to greatest."""
    edges = np.arange(-HALF_BINS, HALF_BINS + 1) * tally.bin_width
    first = int(np.searchsorted(edges, tally.low, "right")) - 1
    last = int(np.searchsorted(edges, tally.high, "right"))
    step = max(1, (last - first) // BINS)
    # whole groups of bins; those beyond the range are empty
    last = min(first + -(-(last - first) // step) * step, 2 * HALF_BINS)
    starts = np.arange(first, last, step)
    counts = np.add.reduceat(tally.histogram[:, :last], starts, axis=1)
    return np.append(edges[starts], edges[last]), counts


def _shown(samples: pd.DataFrame, total: Tally) -> pd.DataFrame:
    """Return the samples in scatter plots: some, and the most extreme, with label 0 or 1."""
    step = -(-len(samples) // POINTS)
    shown = samples.iloc[::step]
    if len(shown) < total.samples:
        ends = pd.DataFrame(
            {
                "sample_id": -1,
                "label": np.repeat([0.0, 1.0], list(map(len, total.extremes))),
                "raw_output": np.concatenate(total.extremes).astype(
                    samples["raw_output"].to_numpy().dtype
                ),
            }
        )
        shown = pd.concat([shown, compare.samples(ends)], ignore_index=True)
        shown = shown.drop_duplicates(["label", "raw_output"])
    # a sample's number counts labels, pixels and a part of the file: nobody would find it there
    return shown.assign(label=(shown["label"] > 0.5).astype(int), sample_id=-1)


def _of_samples(name: str, samples: pd.DataFrame, total: Tally, unit: str) -> dict[str, Drawn]:
    """Draw figures 4 and 5: the samples, with and without those that are clipped."""
    shown, some, histograms = _shown(samples, total), "", None
    if len(samples) < total.samples:
        histograms = {
            "raw_output": _histogram(total),
            "sigmoid": (np.linspace(0, 1, SIGMOID_BINS + 1), total.sigmoid_histogram),
        }
        some = (
            f" Of {total.samples:,} {unit}, the figure shows {len(samples):,}, drawn evenly, and "
            "the most extreme of each label."
        )
    if len(shown) < min(len(samples), total.samples):
        some += f" The scatter plot shows {len(shown):,}."
    inside = shown[~shown["clipped"]]
    inside = inside if len(inside) else shown
    return {
        "figure-4": Drawn(
            stage.draw(inside, CLASSES, f"{name}: not clipped", unit, mistakes=False),
            "Raw outputs by label, sigmoid outputs by label, and the loss from the sigmoid output "
            "against the loss from the raw output, for samples that are not clipped. The loss from "
            f"the sigmoid output is Keras's formula, whatever you run.{some}",
        ),
        "figure-5": Drawn(
            stage.draw(shown, CLASSES, name, unit, histograms),
            "The same for all samples, by Keras's formula again. Where a sample is clipped, the "
            "loss from the sigmoid output is constant: it stays above its minimum on the correct "
            "side, and below about 16 on the wrong side. Last row: what each misclassified one "
            "loses, and who loses too little."
            f"{' Histograms count every sample.' if histograms else ''}{some}",
        ),
    }


def _of_batches(name: str, batches: pd.DataFrame, maps: bool) -> dict[str, Drawn]:
    """Draw figure 6, and the same for all batch sizes."""
    sizes = sorted(batches["batch_size"].unique())
    size = max(s for s in sizes if s <= 4)
    holds = " whole maps" if maps else ""
    out = {
        "figure-6": Drawn(
            batch_mean.draw(batches, [size], name, sizes),
            f"Mean losses of batches of {size}{holds}, and the relative error of every batch, by "
            "Keras's formula. The mean hides part of the difference.",
        )
    }
    if sizes != [size]:
        out["batch-mean"] = Drawn(
            batch_mean.draw(batches, sizes, name),
            f"The same for batches of {', '.join(map(str, sizes))}.",
        )
    return out


def _of_labels(name: str, labels: list[str], counted: Counted, unit: str) -> dict[str, Drawn]:
    """Draw the raw outputs of each label."""
    more = f" The first {raw_outputs.MOST} labels." if len(labels) > raw_outputs.MOST else ""
    parts = [_histogram(tally) for tally in counted.tallies]
    figure = raw_outputs.by_label(labels, parts, unit, name)
    return {"labels": Drawn(figure, f"Raw outputs of each label.{more}")}


def _of_map(name: str, label: str, counted: Counted, shape: tuple[int, int]) -> dict[str, Drawn]:
    """Draw the first map of the first label."""
    x, y = (part[:, 0] for part in counted.first)
    out = np.isnan(y)
    x, y = np.where(out, x.dtype.type(0), x), np.where(out, 0.5, y)
    pixels = compare.samples(
        pd.DataFrame({"sample_id": np.arange(len(x)), "label": y, "raw_output": x})
    )
    of = f", label {label}" if label else ""
    grey = " Pixels that are left out are grey." if out.any() else ""
    figure = raw_outputs.as_map(pixels, shape, f"{name}: first map{of}")
    caption = f"The first map: labels, raw outputs, and the clipped pixels.{grey}"
    return {"map": Drawn(figure, caption)}


def figures(
    verdict: Verdict,
    counted: Counted,
    samples: pd.DataFrame,
    batches: pd.DataFrame,
    shape: tuple[int, ...] = (),
) -> dict[str, Drawn]:
    """Draw the figures of a verdict.

    Parameters
    ----------
    verdict, counted, samples, batches
        As `sigmoid_bce.verdicts.judge.judge` returns them.
    shape : tuple of int
        Height and width, if rows are maps.

    Returns
    -------
    dict of Drawn by str
        By name, figure and caption.
    """
    name, unit = style.plain(Path(verdict.name).name), "pixels" if shape else "samples"
    labels = [style.plain(str(label)) for label in verdict.outputs["label"][:-1]]
    drawn = _of_samples(name, samples, counted.total(), unit)
    drawn |= _of_batches(name, batches, bool(shape))
    if labels:
        drawn |= _of_labels(name, labels, counted, unit)
    if shape:
        height, width = shape
        drawn |= _of_map(name, labels[0] if labels else "", counted, (height, width))
    return drawn


def _programs(verdict: Verdict) -> list[html.Group]:
    """Return all programs in use, by framework, the worst first; half precision comes last."""
    whole = verdict.outputs.iloc[-1].to_dict()
    table = counts(in_use(verdict.implementations), whole, verdict.mine.trained)
    table["effect"] = [effect(row, whole) for row in table.to_dict("records")]
    rows = distinct(table)
    rows = rows.assign(half=rows["dtype"].isin(HALF)).sort_values(
        ["half", "harm"], ascending=[True, False], kind="stable"
    )
    shown = pd.DataFrame(
        {
            "framework": rows["framework"],
            "loss": rows["implementation"],
            "what happens": rows["effect"],
            "precision": rows["dtype"],
            "mode": rows["mode"],
            "mistakes without gradient": rows["blind"].where(rows["trains"]).map(_number),
            "mistakes with a flat loss": rows["flat"].map(_number),
            "right predictions affected": rows["right"].map(_number),
            "nan or inf": rows["broken"].map(_number),
            "mean loss": rows["loss_change"].map(lambda c: f"{c:+.2g}" if abs(c) > 0 else ""),
            "half": rows["half"],
        }
    )
    groups = []
    for title, part in shown.groupby("framework", sort=False):
        worst = part.drop_duplicates("half").set_index("half")["what happens"]
        said = [f"in half precision, {text}" if half else text for half, text in worst.items()]
        groups.append(
            html.Group(f"{title}: {'; '.join(said)}", part.drop(columns=["framework", "half"]))
        )
    return groups


def _readable(table: pd.DataFrame, names: dict[str, str]) -> pd.DataFrame:
    """Return the columns that a page shows, by what they are called there."""
    table = table[list(names)].rename(columns=names)
    shares = [name for name in table if name.startswith("share") or "error" in name]
    return table.assign(**{name: table[name].map(_share) for name in shares})


def _share(value: float) -> str:
    """Return a share as a percentage; empty where there is none."""
    if np.isnan(value):
        return ""
    if np.isinf(value):
        return "infinite"
    return percent(value) if value < 100 else f"{value:.2g} times"


def _number(value: float) -> str:
    """Return a count, which is empty for a metric's gradient."""
    return "" if np.isnan(value) else f"{int(value):,}"


def _sections(verdict: Verdict, images: Sequence[html.Image]) -> list[html.Section]:
    """Return the sections of the verdict's page."""
    said = verdict.answer
    code = pd.DataFrame(verdict.instead.items(), columns=["framework", "loss from raw outputs"])
    sections = [
        html.Section(
            warnings=verdict.warnings,
            lead=said.answer,
            paragraphs=[said.about, said.why, said.change],
            code=said.diff,
        ),
        html.Section(paragraphs=[f"{said.checked} {said.question}".strip()]),
    ]
    if verdict.harm > Harm.RIGHT_SIDE and not said.diff:
        sections.append(
            html.Section(
                "What to write instead",
                paragraphs=["Here x is a raw output and y its label."],
                tables=[code],
            )
        )
    return [
        *sections,
        html.Section("Figures", images=images),
        html.Section(
            "Every loss that was measured",
            paragraphs=[
                "A mistake is a sample whose raw output has the wrong sign. Numbers are samples. "
                "The column mean loss has what flat losses add to it. "
                "tables/implementations.csv has more, for each label."
            ],
            groups=_programs(verdict),
        ),
        html.Section("Raw outputs", tables=[_readable(verdict.outputs, OUTPUTS)]),
        html.Section(
            "Mean losses of batches",
            paragraphs=["The error of the loss from sigmoid outputs, by Keras's formula."],
            tables=[_readable(verdict.batches, BATCHES)],
        ),
    ]


def _title(verdict: Verdict) -> str:
    """Return the heading: what was judged."""
    rows = verdict.programs
    losses = rows[["framework", "implementation"]].drop_duplicates().to_numpy()
    file = Path(verdict.name).name or "raw outputs"
    if len(losses) == 1:
        framework, loss = losses[0]
        return f"{loss} of {framework}, judged on {file}"
    frameworks = rows["framework"].unique()
    of = frameworks[0] if len(frameworks) == 1 else f"{len(frameworks)} frameworks"
    return f"Binary cross-entropy in {of}, judged on {file}"


def _save(folder: Path, drawn: Mapping[str, Drawn]) -> list[html.Image]:
    """Write figures as SVG and PNG, and close them."""
    images = []
    for name, (figure, caption) in drawn.items():
        svg = folder / "figures" / f"{name}.svg"
        style.save(figure, svg, svg.with_suffix(".png"))
        style.close(figure)
        images.append(html.Image(svg, NAMES[name], caption))
    return images


def write(
    folder: str | Path,
    verdict: Verdict,
    counted: Counted,
    samples: pd.DataFrame,
    batches: pd.DataFrame,
    shape: tuple[int, ...] = (),
) -> None:
    """Write the files of a verdict: verdict.html, .txt and .json, figures/ and tables/.

    Parameters
    ----------
    folder : str or Path
        The folder to write to; it is made if it is missing.
    verdict, counted, samples, batches, shape
        As for `figures`.
    """
    folder = Path(folder)
    images = _save(folder, figures(verdict, counted, samples, batches, shape))
    for name in TABLES:
        write_csv(getattr(verdict, name), folder / "tables" / f"{name}.csv")
    with replacing(folder / "verdict.txt") as part:
        part.write_text(f"{verdict.to_text()}\n")
    with replacing(folder / "verdict.json") as part:
        part.write_text(f"{json.dumps(verdict.to_dict(), indent=2)}\n")
    html.write(folder / "verdict.html", _title(verdict), _sections(verdict, images))
