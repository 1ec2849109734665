"""The first page of the report: the answer in this study's numbers, and where to go."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from sigmoid_bce.comparison.words import counted
from sigmoid_bce.figures import html
from sigmoid_bce.figures.html import Image
from sigmoid_bce.jobs.logs import one_line
from sigmoid_bce.numerics.catalogue import PAST
from sigmoid_bce.numerics.formulas import CLIP
from sigmoid_bce.study.cells import Cell, fields_in, named_in
from sigmoid_bce.study.learning import CLIPPED, REFERENCE

STYLE = Path(__file__).with_name("report.css")
"""The style of the report, which its first page brings along for reports that users ask for."""

ABSENT = "not part of this study"

QUESTIONS = (
    "Samples that the clip acts on",
    "Of them, on the wrong side",
    "Programs that give a misclassified sample no gradient",
    "Trainings that end stuck",
)
"""The rows of the table; `Found.cell` has the answer to each."""


@dataclass(frozen=True)
class Found:
    """A sentence of the answer, and the cells of the table that it explains."""

    sentence: str = ""
    cells: tuple[str, ...] = (ABSENT,)


def _span(low: float, high: float) -> str:
    """Return a range of shares in percent, which is one number if both ends look the same."""
    ends = dict.fromkeys(f"{100 * share:.3g}" for share in (low, high))
    return " to ".join(ends) + " %"


def networks(cells: pd.DataFrame) -> Found:
    """Tell what the clip did in fully trained networks, and on which side.

    Parameters
    ----------
    cells : DataFrame
        tables/cells.csv.

    Examples
    --------
    >>> row = {"dataset": "d", "model": "m", "loss": "logits", "batch_size": 4, "seed": 0}
    >>> row |= {"stage": "full", "samples": 200, "clipped_correct_share": 0.04}
    >>> row |= {"clipped_wrong_share": 0.0, "raw_output_min": -9.0, "raw_output_max": 40.0}
    >>> networks(pd.DataFrame([row])).cells
    ('4 % of a network’s samples', 'no sample')
    """
    full = cells[cells["stage"] == "full"]
    names = fields_in(full)
    counts = full[[*names, "samples"]].copy()
    for side in ("correct", "wrong"):
        counts[side] = (full[f"clipped_{side}_share"] * full["samples"]).round().astype(int)
    each = counts.groupby(names)[["samples", "correct", "wrong"]].sum()
    one = len(each) == 1
    several = "fully trained network" if one else counted(len(each), "fully trained network")
    wrong, clipped = int(each["wrong"].sum()), each["correct"] + each["wrong"]
    if not clipped.any():
        low, high = full["raw_output_min"].min(), full["raw_output_max"].max()
        return Found(
            f"Keras’s clip acted on no sample of the {several}: raw outputs lie between {low:.3g} "
            f"and {high:.3g}, and the clip acts beyond about {CLIP:.0f} on either side.",
            ("no sample", "no sample"),
        )
    share = clipped / each["samples"]
    acted = f"{_span(share.min(), share.max())} of a network’s samples"
    first = f"In the {several}, Keras’s clip acted on {acted} (training and validation)."
    if not wrong:
        return Found(
            f"{first} All of them are on the right side, where the loss is close to 0 anyway; no "
            "sample is on the wrong side.",
            (acted, "no sample"),
        )
    where = f", in {int((each['wrong'] > 0).sum())} of {counted(len(each), 'network')}"
    total = f"{counted(wrong, 'sample')} of {int(each['samples'].sum())}{'' if one else where}"
    are = "is" if wrong == 1 else "are"
    return Found(
        f"{first} On the wrong side, where a clipped sample has no gradient left, {are} {total}.",
        (acted, total),
    )


def programs(findings: pd.DataFrame, implementations: pd.DataFrame) -> Found:
    """Tell how many measured programs give a misclassified sample no gradient, and from where.

    Parameters
    ----------
    findings, implementations : DataFrame
        numerics/findings.csv and numerics/implementations.csv.
    """
    measured = implementations[implementations["status"] == "measured"]
    dead = findings[findings["finding"] == "dead when wrong"]
    # the exact value and past releases are no programs that one runs today
    measured, dead = (table[~table["framework"].isin(PAST)] for table in (measured, dead))
    precision = ""
    if (measured["dtype"] == "float32").any():
        precision = " in float32"
        measured, dead = (table[table["dtype"] == "float32"] for table in (measured, dead))
    names = ["framework", "implementation"]
    few, all_ = (len(table[names].drop_duplicates()) for table in (dead, measured))
    some = f"{few or 'none'} of {all_}{precision}"
    first = f"Of {counted(all_, 'program')} measured{precision}, "
    if not few:
        return Found(f"{first}none takes the gradient of a misclassified sample away.", (some,))
    takes = "takes" if few == 1 else "take"
    return Found(
        f"{first}{few} {takes} the gradient of a misclassified sample away: it is exactly 0, the "
        f"first from a raw output of {dead['x'].min():.3g} on.",
        (some,),
    )


def trainings(answer: pd.DataFrame, stuck: pd.DataFrame) -> Found:
    """Tell what learning found: the first sentences of its answer, and stuck trainings.

    Parameters
    ----------
    answer, stuck : DataFrame
        tables/answer.csv and tables/stuck.csv.
    """
    losses = [name for name in (CLIPPED, REFERENCE) if (stuck["loss"] == name).any()]
    sums = stuck.groupby("loss")[["stuck", "n"]].sum()
    words = {CLIPPED: "with clipped sigmoid outputs", REFERENCE: "with logits"}
    parts = [
        f"{sums.at[name, 'stuck'] or 'none'} of {sums.at[name, 'n']} {words[name]}"
        for name in losses
    ]
    said = answer["sentence"].iloc[:2].map(one_line).tolist()
    by_name = dict(zip(answer["name"], answer["sentence"].map(one_line), strict=True))
    lost = int(stuck.loc[stuck["loss"] == CLIPPED, "stuck"].sum())
    # a study that cannot decide says so, and what it saw all the same
    said += [by_name[name] for name in ("stuck",) if lost and name in by_name]
    said += [by_name[name] for name in ("undecided",) if name in by_name]
    sentence = " ".join(dict.fromkeys(said))
    return Found(sentence, (", ".join(parts) or ABSENT,))


def picture(
    files: Sequence[str], cells: pd.DataFrame | None, titles: Mapping[str, str]
) -> Image | None:
    """Return the page's figure: of several, that of the network with the most clipped samples.

    Parameters
    ----------
    files : sequence of str
        PNG files of one figure.
    cells : DataFrame or None
        tables/cells.csv, if the figure is one of a network.
    titles : mapping of str
        The titles of figures by their names.
    """
    if not files:
        return None
    title = titles[Path(files[0]).stem]
    if cells is None:
        return Image(Path(files[0]), title, "Its caption is beside it in its chapter.")
    full = cells[(cells["stage"] == "full") & (cells["split"] == "train")]
    names = map(str, named_in(full))
    clipped = full["clipped_correct_share"] + full["clipped_wrong_share"]
    shares = dict(zip(names, clipped, strict=True))
    cell, file = max(
        ((str(Cell.parse(file)), file) for file in files), key=lambda pair: shares[pair[0]]
    )
    one = Cell.parse(cell)
    where = f"{one.model} on {one.dataset}, loss {one.loss}, batch size {one.batch_size}"
    where += one.named_precision and f", {one.named_precision}"
    several = len(files) > 1 and shares[cell] > 0
    most = " It is the one with the most clipped samples." if several else ""
    return Image(Path(file), title, f"The network is {where}, seed {one.seed}.{most}")


def own() -> list[html.Section]:
    """Return the page about the reader's own raw outputs, images and code."""
    return [
        html.Section(
            "Raw outputs of a model that is trained",
            paragraphs=[
                "Write the raw outputs (logits) and the labels of a validation set into a CSV file "
                "with the columns raw_output and label. The command tells what each loss does to "
                "them, and what to change in the code."
            ],
            code="sigmoid-bce verdict outputs.csv",
        ),
        html.Section(
            "Images, a table or a network",
            paragraphs=["The command writes a small study like this one, ready to run."],
            code="sigmoid-bce new photos\nsnakemake --cores all --configfile photos.yaml",
        ),
        html.Section(
            "Code",
            paragraphs=["The command finds losses in a folder of code that lose gradients."],
            code="sigmoid-bce check src",
        ),
        html.Section(
            "A loss that is stuck",
            paragraphs=["The command says what a training’s loss means that no longer changes."],
            code="sigmoid-bce explain 16.118",
        ),
    ]


PLACES = {
    "answer": "the answer in sentences, one page",
    "numerics": "what each program of each framework computes",
    "grid": "raw outputs, losses and batches of each network, by figure",
    "learning": "what networks learn from either loss, pair by pair",
    "own": "the same for raw outputs, images or code of yours",
    "tables": "every number, to search and sort",
}
"""What a reader finds in each chapter."""


def _paired(learning: Mapping[str, Any]) -> dict[str, str] | None:
    """Return the losses and the data sets of all questions about learning, in words."""
    parts = (learning.get(part) or {} for part in ("exploratory", "confirmatory"))
    asked = [question for part in parts for question in part.values()]
    return (
        {
            key: ", ".join(dict.fromkeys(name for question in asked for name in question[key]))
            for key in ("loss", "dataset")
        }
        if asked
        else None
    )


def _licences(datasets: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return the data sets that name a licence, with it."""
    return [
        (name, one_line(dataset["licence"]))
        for name, dataset in datasets.items()
        if dataset.get("licence")
    ]


def page(
    study: Mapping[str, Any],
    found: Sequence[Found],
    picture: Image | None,
    chapters: Mapping[str, str],
) -> str:
    """Return the first page as HTML without a head, which the report shows in its own page.

    Parameters
    ----------
    study : mapping
        The study's settings.
    found : sequence of Found
        What networks, programs and trainings tell; `Found()` for a part that the study lacks.
    picture : Image or None
    chapters : mapping of str
        The chapters that the study has, by the keys of `PLACES`.
    """
    cells = [cell for part in found for cell in part.cells]
    return html.fragment(
        "front.html.jinja",
        style=STYLE.read_text(encoding="utf-8"),
        question=one_line(study["question"] or ""),
        sentences=[part.sentence for part in found if part.sentence],
        rows=list(zip(QUESTIONS, cells, strict=True)),
        picture=picture,
        losses=", ".join((study["grid"] or {}).get("loss") or []),
        paired=_paired(study["learning"] or {}),
        places=[(name, PLACES[key]) for key, name in chapters.items()],
        licences=_licences(study["datasets"]),
        random=[name for name, one in study["models"].items() if one.get("weights") == "none"],
    )
