"""Write the numbers of docs/numbers into the documents, and draw their pictures: `make readme`.

A document marks each place: in a line, a number of `quotes`; on lines of its own, one of `TABLES`.

    <!-- = programs -->234<!-- / -->

    <!-- = table models -->
    <!-- / -->

Nothing else is changed, and a file that is up to date is not written.
"""

from __future__ import annotations

import argparse
import re
import sys
import tempfile
from collections.abc import Callable, Mapping
from functools import cache
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml
from matplotlib import pyplot as plt
from matplotlib.figure import Figure
from PIL import Image

import badges
import changes
import front
import objectives
import pictures
import reference
import reports
import served
from committed import KEYS, ORIGIN, PICTURED, PROGRAMS, RANGED, RANGES, ROOT, read
from sigmoid_bce.comparison import compare
from sigmoid_bce.figures import hero, registry, stage, style
from sigmoid_bce.figures.explorer.page import parted, render
from sigmoid_bce.figures.inputs import LaboratoryTables
from sigmoid_bce.jobs import plugins
from sigmoid_bce.planning.chapters import title
from sigmoid_bce.study.cells import Cell
from words import NETWORKS, markdown, number, origin, percent

DOCUMENTS = (
    "README.md",
    "docs/architecture.md",
    "docs/benchmarks.md",
    "docs/check.md",
    "docs/learning.md",
    "docs/limits.md",
    "docs/losses.md",
    "docs/monitor.md",
    "docs/releases.md",
    "docs/tracking.md",
    "docs/numbers/README.md",
    "docs/explanation/numerics.md",
    "docs/explanation/the-clip.md",
    "docs/faq.md",
    "docs/gallery.md",
    "docs/glossary.md",
    "docs/how-to/serving.md",
    "docs/reference/command-line.md",
    "docs/reference/configuration.md",
    "docs/tutorials/own-images.md",
    "docs/upstream/README.md",
)
MARK = re.compile(r"(<!-- = (.+?) -->)(.*?)(<!-- / -->)", re.DOTALL)


class Mistake(Exception):
    """A mark that names neither a number nor a table."""


STAGES = {"early": "{early_epochs} epochs", "full": "full"}


def models(name: str = "models", study: str = "config.yaml") -> str:
    """Return the table of the trained networks of a study, as ranges where it ran several times."""
    training = yaml.safe_load((ROOT / "config" / study).read_text())["training"]
    table, lines = front.ranged() if name == "models" else read(name), []
    for (model, trained), rows in table.groupby(["model", "stage"], sort=False):
        lines.append(
            [
                NETWORKS[model],
                STAGES[trained].format_map(training),
                front.span(rows["val_accuracy_mean"], ".3f"),
                front.span(rows["raw_output_min"], ".0f"),
                front.span(rows["raw_output_max"], ".0f"),
                front.span(100 * rows["clipped_share_max"], ".2f", " %"),
                front.span(rows["bce_sigmoid_error_max"], ".1e"),
                front.span(rows["bce_raw_error_max"], ".1e"),
            ]
        )
    head = "network|stage|validation accuracy, mean|least raw output|largest|clipped, at most"
    head += "|largest error of the loss, sigmoid|the same, raw"
    return markdown(head.split("|"), "lllrrrrr", lines)


EVENTS = {
    "off": ("loss_off", "gradient_off"),
    "flat": ("loss_flat",),
    "gradient 0": ("gradient_zero_first",),
}
"""Columns of the table of programs on either side, and the thresholds behind them."""
SUBNORMAL = -np.finfo(np.float32).minexp * np.log(2)
"""|x| from which exact values are subnormal: on the correct side nothing counts beyond it."""


def happens(side: pd.DataFrame, event: str) -> str:
    """Return from which |raw output| on an event happens: one number, or label 0 / label 1."""
    # a formula of ours in its place says nothing about the framework
    own = (side["has_gradient"] & ~side["gradient_by_hand"]).any()
    places = [place for place in EVENTS[event] if own or not place.startswith("gradient")]
    if not places:
        return "no gradient"
    found = []
    for _, row in side.sort_values("y").iterrows():
        where = row[places].min()
        seen = where < SUBNORMAL or (row["side"] == "wrong" and np.isfinite(where))
        found.append(number(where, ".1f") if seen else "–")
    text = found[0] if len(set(found)) == 1 else " / ".join(found)
    return {"0.0": "everywhere"}.get(text, text)


def programs() -> str:
    """Return the table of frameworks; modes in which the same happens share a row."""
    table, lines = read("thresholds"), []
    for (framework, implementation), written in PROGRAMS.items():
        named = (table["framework"] == framework) & (table["implementation"] == implementation)
        modes: dict[tuple[str, ...], list[str]] = {}
        for mode, part in table[named].groupby("mode", sort=False):
            cells = tuple(
                happens(part[part["side"] == side], event)
                for side in ("wrong", "correct")
                for event in EVENTS
            )
            modes.setdefault(cells, []).append(mode)
        lines += [[written, "; ".join(shared), *cells] for cells, shared in modes.items()]
    sides = [f"{side} side: {event}" for side in ("wrong", "correct") for event in EVENTS]
    return markdown(["what you write", "mode", *sides], "llllllll", lines)


@cache
def quotes() -> dict[str, str]:
    """Return the numbers that prose quotes, by name."""
    single = read("values").set_index("name")["value"]
    full = read("models").query("stage == 'full'")
    hidden = read("batches").groupby("compared_batch_size")["relative_error_max"].max()
    wrong = read("extremes").query("stage == 'full' and split == 'validation'")
    furthest = wrong.loc[wrong["raw_output"].abs().idxmax()]
    costs = read("benchmarks").set_index(["part", "grid", "measure"])["value"]
    limits = read("thresholds").set_index(KEYS["thresholds"])
    keras = "Keras on TensorFlow", "Dense(1, sigmoid), BinaryCrossentropy()", "predict, then loss"
    logits = "PyTorch", "BCEWithLogitsLoss()", "eager"
    sigmoid = "PyTorch", "BCELoss() after sigmoid", "eager"
    right, wrong_side = ("float32", 0, "correct"), ("float32", 0, "wrong")
    wrapped = "Keras on TensorFlow", "Dense(1, sigmoid), Reshape, BinaryCrossentropy()", "eager"
    photographed = read("photographs").query("stage == 'full'").iloc[-1]
    by_hand = read("by-hand").set_index("name")["value"].items()
    own = {
        "programs": number(single["programs"], ".0f"),
        "historic ceiling, label 0": number(single["historic_ceiling_label_0"], ".1f"),
        "historic ceiling, label 1": number(single["historic_ceiling_label_1"], ".1f"),
        "dead when wrong, bfloat16": number(single["dead_when_wrong_bfloat16"], ".1f"),
        "dead when wrong, float16": number(single["dead_when_wrong_float16"], ".1f"),
        "logits loss flat": number(limits.loc[(*logits, *right), "loss_flat"], ".1f"),
        "sigmoid loss off": number(limits.loc[(*sigmoid, *right), "loss_off"], ".1f"),
        "sigmoid off when wrong": number(limits.loc[(*keras, *wrong_side), "loss_off"], ".1f"),
        "gradient 0 when wrong, BCELoss": number(
            limits.loc[(*sigmoid, *wrong_side), "gradient_zero_first"], ".1f"
        ),
        "plateau, Keras, label 0": number(
            limits.loc[(*wrapped, *wrong_side), "loss_flat_value"], ".3f"
        ),
        "pictured images": number(single["pictured_images"], ",.0f"),
        "pictured epochs": number(single["pictured_epochs"], ".0f"),
        "pictured raw output": number(single["pictured_raw_output_max"], ".0f"),
        "clipped, at most": percent(full["clipped_share_max"].max(), ".2f"),
        "furthest wrong, label": number(furthest["label"], ".0f"),
        "furthest wrong, raw output": number(furthest["raw_output"], ".2f"),
        "furthest wrong, loss": number(furthest["bce_exact"], ".3f"),
        "furthest wrong, loss from sigmoid": number(furthest["bce_sigmoid"], ".3f"),
        "batches of 4, off by": percent(hidden[4], ".2g"),
        "batches of 20, off by": percent(hidden[20], ".2g"),
        "wall over floor": number(
            costs["floor", "default study, its grid alone", "wall / floor"], ".2f"
        ),
        "origin of thresholds": origin(read("thresholds").iloc[0]),
        "photographs clipped": percent(photographed["clipped_share_max"], ".1f"),
        "photographs worst error": number(photographed["val_bce_sigmoid_error_max"], ".1f"),
        "origin of photographs": origin(read("photographs").iloc[0]),
        "origin of extended regimes": origin(read("learning-full").iloc[0]),
        "origin of models": origin(read("models").iloc[0]),
        "origin of serving": origin(read("serving").iloc[0]),
        **served.quotes(),
        **objectives.quotes(),
        "SLURM, a cell": number(costs["jobs", "SLURM", "SLURM adds, cells packed by 50"], ".1f"),
    }
    return (
        own
        | front.quotes()
        | changes.quotes()
        | {f"by hand, {name}": value for name, value in by_hand}
    )


QUESTIONS = {
    "throughput": "How many samples a second does the comparison take, beside NumPy, scikit-learn "
    "and TensorFlow?",
    "jobs": "What does a job cost beside its work, with Snakemake on this machine and on SLURM, "
    "single and packed?",
    "floor": "How long does the default study take, compared with its training alone?",
    "peers": "How long does the workflow take, compared with a careful script, in one process and "
    "in two, with and without tricks?",
    "growth": "How do planning time, memory and database grow from 10 to 3,000 small cells?",
    "checkpoints *": "What do checkpoints cost a training, and what does resuming cost?",
    "extraction *": "How fast are features of a frozen network computed, compared with `predict`?",
    "verdict *": "How fast is the verdict on 10^7 raw outputs, compared with plain programs?",
    "roofline *": "Which share of the machine's own matrix product does the convnet's training "
    "reach, and where does a step go?",
    "slow_peers *": "How long do programs take that compute features in every epoch, or start a "
    "process for each step?",
    "setup *": "How long do README's two commands take in a fresh clone, and how much disk?",
    "tracking *": "How long do logging and searching take, and what does the live view cost?",
}
"""The parts of the benchmarks, a star on those that are run only by name, and their questions."""


def parts() -> str:
    """Return the table of the benchmarks' parts."""
    table = read("benchmarks")
    minutes = table[table["measure"] == "minutes"].set_index("part")["value"]
    lines = [
        [f"`{part.split()[0]}`{part[len(part.split()[0]):]}",
         number(minutes[part.split()[0]], ".0f"), question]
        for part, question in QUESTIONS.items() if part.split()[0] in minutes
    ]  # fmt: skip
    return markdown(["part", "minutes", "question"], "lrl", lines)


def measured() -> str:
    """Return the ratios of all benchmarks, and the machine of each part."""
    table, text = read("benchmarks"), []
    ratios = table["unit"].isin(["ratio", "s a cell"])
    shown = table[ratios | table["note"].str.contains("wanted", na=False)]
    for part, on in groupby(shown.to_dict("records"), key=lambda row: row["part"]):
        lines = list(on)
        text += [
            f"### {part}",
            "",
            f"{origin(lines[0])}{_circumstances(lines[0])}.",
            "",
            markdown(
                ["grid", "measure", "value", "unit", "note"],
                "llrll",
                [
                    [r["grid"], r["measure"], _shown(r["value"]), r["unit"], r["note"]]
                    for r in lines
                ],
            ),
            "",
        ]
    return "\n".join(text).rstrip()


def _circumstances(row: Mapping[str, Any]) -> str:
    """Return the load and the kernels of a part; earlier parts did not record them."""
    return "".join(
        f"; {text.format(row[name])}"
        for name, text in (("load", "load at the start {}"), ("kernels", "NumPy on {}"))
        if str(row.get(name, "")) not in ("", "nan")
    )


def _shown(value: float) -> str:
    if np.isnan(value):
        return ""
    return number(value, ",.0f" if abs(value) >= 1000 else ".3g")


def answer() -> str:
    """Return the answer of the study of learning, a sentence an item."""
    return "\n".join(f"1. {sentence}" for sentence in read("answer")["sentence"])


def short_answer() -> str:
    """Return the sentences of the answer that README quotes."""
    sentences = read("answer").set_index("name")["sentence"]
    return "\n".join(f"- {sentences[name]}" for name in ("same", "harm", "mechanism", "cure"))


def questions() -> str:
    """Return the table of the study's questions."""
    study = yaml.safe_load((ROOT / "config/studies/learning.yaml").read_text())["learning"]
    lines = [
        [name, part, question["asks"], question["primary"], str(question["seeds"]["number"])]
        for part in ("exploratory", "confirmatory")
        for name, question in study[part].items()
    ]
    return markdown(["question", "part", "asks", "judged by", "seeds"], "llllr", lines)


def conclusions() -> str:
    """Return the table of the article's conclusions."""
    rows = read("conclusions")[["article", "measured"]].to_numpy().tolist()
    return markdown(["the article", "measured"], "ll", rows)


SHOWN = ("sigmoid_clipped", "bce_loss")
"""The losses whose verdicts the table of regimes shows."""


def regimes(name: str = "learning") -> str:
    """Return the table of a study's regimes: what logits give, and what two losses change."""
    table, lines = read(name), []
    for (_, question, *place), rows in table.groupby(KEYS["learning"][:-1], sort=False):
        of = rows.set_index("loss")
        first = of.loc[next(loss for loss in (*SHOWN, of.index[0]) if loss in of.index)]
        cells = [
            f"{number(of.loc[loss, 'mean'], '.3g')}: {of.loc[loss, 'verdict']}"
            if loss in of.index
            else ""
            for loss in SHOWN
        ]
        where = ", ".join(map(str, place))
        metric = f"{first['metric']}, {number(first['mean_reference'], '.3g')}"
        lines.append([question, where, metric, *cells])
    head = "question|data, network, batch size|metric, with logits|clipped sigmoid|`BCELoss`"
    return markdown(head.split("|"), "lllll", lines)


def regimes_full() -> str:
    """Return the regimes of the extended study."""
    return regimes("learning-full")


def photographs() -> str:
    """Return the networks that are trained on the article's photographs."""
    return models("photographs", "studies/article-cpu.yaml")


def photographs_learning() -> str:
    """Return the paired trainings on the article's photographs."""
    return regimes("photographs-learning")


def processors() -> str:
    """Return how the study of learning moves where instruction sets are masked."""
    lines = [
        [
            metric,
            *(number(row[name], ".0f") for name in ("rows", "equal", "same_verdict")),
            *(number(row[name], ".2g") for name in ("moved_calm", "moved")),
        ]
        for metric, row in read("processors").set_index("metric").iterrows()
    ]
    head = "metric|rows|the same mean|the same verdict"
    head += "|a mean moves by at most, where anything is decidable|anywhere"
    return markdown(head.split("|"), "lrrrrr", lines)


ON_MACHINES = {
    "val_accuracy_mean": ("validation accuracy, mean of six networks", ".3f"),
    "raw_output_min": ("lowest raw output", ".1f"),
    "raw_output_max": ("highest raw output", ".1f"),
    "clipped_share_max": ("share of clipped samples, largest", ".3f"),
    "dead_wrong_share_max": ("share of misclassified samples without a gradient", ".3f"),
    "bce_raw_error_max": ("largest error of the loss from raw outputs", ".1e"),
    "bce_sigmoid_error_max": ("largest error of the loss from sigmoid outputs", ".1e"),
}
"""Numbers of trained networks that machines have in common, and how each is written."""


def machines() -> str:
    """Return the default study's numbers on several processors, and by how much they move."""
    thresholds, key = read("thresholds-amd"), ["model", "stage"]
    tables = [read(name).set_index(key) for name in RANGED]
    equal, moved, rows = (int(thresholds[name].sum()) for name in ("equal", "moved", "rows"))
    lines = [
        ["rows of the laboratory's thresholds", "", str(rows), "", f"{equal} the same",
         f"{moved} by more than 2 %"]
    ]  # fmt: skip
    for name, when in tables[0].index:
        found = [table.loc[(name, when)] for table in tables]
        for column, (text, form) in ON_MACHINES.items():
            values = [row[column] for row in found]
            by = max(values) - min(values)
            stays = "stays" if not by else number(by, form)
            lines.append(
                [text, f"{NETWORKS[name]}, {when}", *(number(v, form) for v in values), stays]
            )
    wheres = [
        f"{t['processor'].iloc[0]}{', AVX2' * ('avx2' in n)}"
        for n, t in zip(RANGED, tables, strict=True)
    ]
    return markdown(["number", "network, stage", *wheres, "moves by"], "llrrrr", lines)


def losses() -> str:
    """Return the table of the losses to train with."""
    lines = []
    for name in plugins.names("training/losses"):
        module = plugins.load("training/losses", name)
        plateau = [number(value, ".2f") for value in getattr(module, "PLATEAU", ())]
        computes = (module.__doc__ or "").splitlines()[0].rstrip(".")
        lines.append([f"`{name}`", computes, module.USED, " and ".join(plateau)])
    return markdown(["loss", "what it computes", "used in", "plateau"], "llll", lines)


def ranges() -> str:
    """Return the table of how far each number may move."""
    table = pd.read_csv(RANGES, dtype=str).fillna("")
    code = ["table", "rows", "columns"]
    table[code] = table[code].replace({";": "`, `", r"^(.+)$": r"`\1`"}, regex=True)
    return markdown(table.columns.to_list(), "lllllrr", table.to_numpy().tolist())


def rulegraph() -> str:
    """Return the rule graph as GitHub draws it."""
    return f"```mermaid\n{(ROOT / 'docs/rulegraph.mmd').read_text()}```"


TABLES: dict[str, Callable[[], str]] = {
    function.__name__: function
    for function in (
        models,
        programs,
        parts,
        measured,
        answer,
        short_answer,
        questions,
        conclusions,
        regimes,
        regimes_full,
        photographs,
        photographs_learning,
        processors,
        machines,
        losses,
        ranges,
        rulegraph,
        front.frameworks,
        front.networks,
        reports.upstream,
        served.serving,
        objectives.objectives,
    )
} | reference.TABLES
"""What the mark `table NAME` writes."""


def replaced(mark: re.Match[str]) -> str:
    """Return a mark with its text."""
    before, name, _, after = mark.groups()
    if name.startswith("table "):
        known: Mapping[str, object] = TABLES
        name = name.removeprefix("table ")
        text = f"\n{TABLES[name]()}\n" if name in TABLES else ""
    else:
        known = quotes()
        text = quotes().get(name, "")
    if name not in known:
        raise Mistake(f"nothing is called {name!r}: expected one of {', '.join(known)}")
    return f"{before}{text}{after}"


def figure_3(folder: Path) -> Figure:
    """Draw figure 3 of the committed curves."""
    curves = read("figure-3").drop(columns=ORIGIN)
    file = folder / "curves.parquet"
    curves.melt(KEYS["figure-3"], var_name="curve", value_name="loss").to_parquet(file)
    return registry.load("laboratory", "figure-3").draw(LaboratoryTables({"curves": file}))


def figure_5(folder: Path) -> Figure:
    """Draw figure 5 of the committed raw outputs."""
    table = read("figure-5").rename(columns={"sample": "sample_id"})
    table = table.astype({"sample_id": int, "label": "int8", "raw_output": "float32"})
    config = yaml.safe_load((ROOT / "config/config.yaml").read_text())
    cell = Cell.parse(PICTURED)
    classes = config["datasets"][cell.dataset]["classes"]
    # the committed rows are sorted: their numbers are not those of images
    table = compare.samples(table).assign(sample_id=-1, split=table["split"])
    return stage.draw(table, classes, f"{title(cell)}, full stage", unit="images")


def hero_figure(folder: Path) -> Figure:
    """Draw README's first figure of the committed curves."""
    curves = read("figure-3").drop(columns=ORIGIN)
    return hero.draw(curves.melt(KEYS["figure-3"], var_name="curve", value_name="loss"))


PICTURES = {
    "docs/hero.png": hero_figure,
    "docs/figure-3.png": figure_3,
    "docs/figure-5.png": figure_5,
    "docs/pictures/releases.png": changes.draw,
    **objectives.PICTURES,
    **pictures.PICTURES,
}
COLOURS = 48
"""Of a map's picture."""
SEEN = 24
"""Steps of 255 by which a colour may differ unseen: another processor shades edges otherwise."""


def differ(one: Path, other: Path) -> bool:
    """Return whether two pictures look different."""
    if not other.exists():
        return True
    a, b = (np.asarray(Image.open(file).convert("RGB"), np.int16) for file in (one, other))
    return a.shape != b.shape or bool((np.abs(a - b) > SEEN).any(axis=-1).mean() > 1e-4)


def main(arguments: list[str] | None = None) -> None:
    """Render every document and picture below a folder; say which ones changed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--root", type=Path, default=ROOT, help="folder of the documents")
    root = parser.parse_args(arguments).root
    for name in DOCUMENTS:
        file = root / name
        old = file.read_text()
        try:
            new = MARK.sub(replaced, old)
        except Mistake as error:
            sys.exit(f"{name}: {error}")
        if new != old:
            file.write_text(new)
            print(f"{name} changed")
    explore(root)
    for name, made in (badges.drawn() | reports.written()).items():
        if not (root / name).exists() or (root / name).read_text() != made:
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_text(made)
            print(f"{name} changed")
    with tempfile.TemporaryDirectory() as folder:
        for name, draw in PICTURES.items():
            png = Path(folder) / Path(name).name
            figure = draw(png.parent)
            style.save(figure, png.with_suffix(".svg"), png)
            plt.close(figure)
            if name in objectives.PICTURES:  # large, and of few colours
                Image.open(png).convert("RGB").quantize(COLOURS).save(png, optimize=True)
            if differ(png, root / name):
                (root / name).write_bytes(png.read_bytes())
                print(f"{name} changed")


EXPLORER = "docs/explorer.html"


def explore(root: Path) -> None:
    """Write the explorer's page from the data that the committed one holds."""
    page = root / EXPLORER
    _, data = parted((ROOT / EXPLORER).read_text("utf-8"))
    if not data:
        print(f"{EXPLORER} holds no data and stays as it is: run docs/tools/collect.py")
        return
    new = render(data)
    # versions of zlib pack the same data differently
    if not page.exists() or parted(page.read_text("utf-8")) != parted(new):
        page.write_text(new, "utf-8")
        print(f"{EXPLORER} changed")


if __name__ == "__main__":
    main()
