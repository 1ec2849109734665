"""The section `learning`: the same networks trained with several losses, paired by seed."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from typing import Annotated, Any, Literal, Self

from pydantic import Discriminator, Field, Tag, model_validator

from sigmoid_bce.study.base import Name, Plugin, Positive, Real, Seed, Strict

REFERENCE = "logits"
"""The loss that every other one is compared with."""
CLIPPED = "sigmoid_clipped"
"""The loss of the article: the answer, and figures of a single regime, are about it."""
TWINS = ("twin_up", "twin_down")
"""The reference again, from initial weights one unit in the last place away: a measure of chaos."""

Arm = Annotated[str, Plugin("loss", "training/losses")]
Metric = Literal["accuracy", "auc", "ece", "exact_loss"]
Margin = Annotated[Real, Field(gt=0, lt=1)]
Part = Literal["exploratory", "confirmatory"]
Networks = Annotated[
    Annotated[list[Name], Field(min_length=1), Tag("<list>")]
    | Annotated[dict[Arm, Name], Tag("<section>")],
    Discriminator(lambda value: "<section>" if isinstance(value, dict) else "<list>"),
]


class Margins(Strict):
    """Differences that do not matter, named before the study runs: part of its identity."""

    accuracy: Margin = Field(description="Of the validation accuracy.")
    auc: Margin = Field(description="Of the area under the ROC curve.")
    ece: Margin = Field(description="Of the expected calibration error.")
    exact_loss: Margin = Field(description="Of the exact validation loss, in nats.")
    exact_loss_share: Annotated[Real, Field(ge=0, lt=1)] = Field(
        default=0.0,
        description="Of the exact validation loss, as a share of that of logits. The larger of "
        "the two margins counts.",
    )


class Seeds(Strict):
    """Consecutive seeds, each of which draws split, noise, initial weights, order and dropout."""

    first: Seed = Field(description="The first seed.")
    number: Annotated[int, Field(ge=1, le=100_000, strict=True)] = Field(
        description="How many seeds."
    )

    @model_validator(mode="after")
    def _are_seeds(self) -> Self:
        if self.all.stop > 2**31:
            raise ValueError(
                f"the last seed, {self.all[-1]}, is too large: expected less than {2**31}"
            )
        return self

    @property
    def all(self) -> range:
        """The seeds."""
        return range(self.first, self.first + self.number)


class Question(Strict):
    """Regimes that together answer a question: every combination of data, network and batch."""

    asks: str = Field(min_length=1, description="The question, in a sentence.")
    primary: Metric = Field(description="The metric that answers it.")
    dataset: list[Name] = Field(min_length=1, description="Keys of `datasets`.")
    model: Networks = Field(
        description="Keys of `models`; or the model of each loss, as an exploratory part chose it.",
    )
    batch_size: list[Positive] = Field(min_length=1, description="Training batch sizes.")
    loss: list[Arm] = Field(min_length=2, description="Losses: logits and those to compare.")
    seeds: Seeds
    epoch: Literal["last", "best"] = Field(
        default="last",
        description="The epoch that is judged. best: that with the lowest exact validation loss, "
        "each training its own, as early stopping keeps.",
    )

    @model_validator(mode="after")
    def _complete(self) -> Self:
        for key in ("dataset", "model", "batch_size", "loss"):
            values = getattr(self, key)
            if len(set(values)) < len(values):
                raise ValueError(f"{key} lists a value twice: {list(values)}")
        if REFERENCE not in self.loss:
            raise ValueError(
                f"loss: expected {REFERENCE} among them; every other is compared to it"
            )
        if isinstance(self.model, dict):
            for loss in self.loss:
                if loss not in self.model:
                    raise ValueError(f"model: there is none for the loss {loss}")
            for loss in self.model:
                if loss not in self.loss:
                    raise ValueError(f"model: {loss} is not among the losses: {self.loss}")
        return self

    def models(self) -> list[dict[str, str]]:
        """Return the model of each loss, once for each regime's choice of networks."""
        if isinstance(self.model, dict):
            return [dict(self.model)]
        return [dict.fromkeys(self.loss, model) for model in self.model]


class Learning(Strict):
    """Paired trainings: questions by name, in two parts whose seeds have nothing in common."""

    margins: Margins
    exploratory: dict[Name, Question] = Field(
        default={}, description="Questions that look around and choose, by name."
    )
    confirmatory: dict[Name, Question] = Field(
        default={}, description="Questions with fresh seeds and fixed choices, by name."
    )

    @model_validator(mode="after")
    def _sound(self) -> Self:
        both = self.exploratory.keys() & self.confirmatory.keys()
        if both:
            raise ValueError(f"a question has one part: {sorted(both)} are in both")
        if not self.exploratory and not self.confirmatory:
            raise ValueError("expected a question under exploratory or confirmatory")
        for name, one in self.confirmatory.items():
            for other, question in self.exploratory.items():
                shared = sorted(set(one.seeds.all) & set(question.seeds.all))
                if shared:
                    raise ValueError(
                        f"confirmatory.{name} and exploratory.{other} share the seeds {shared[0]} "
                        f"to {shared[-1]}: what one chose, fresh seeds must confirm"
                    )
        return self

    def questions(self) -> Iterator[tuple[Part, str, Question]]:
        """Yield every question with its part and name."""
        yield from (("exploratory", name, q) for name, q in self.exploratory.items())
        yield from (("confirmatory", name, q) for name, q in self.confirmatory.items())


@dataclass(frozen=True, order=True)
class LearningCell:
    """The trainings of one data set, network, loss and batch size: one for each seed.

    Examples
    --------
    >>> str(LearningCell("cancer", "linear", "logits", 32))
    'cancer/linear/logits/32'
    """

    dataset: str
    model: str
    loss: str
    batch_size: int

    def __str__(self) -> str:
        return f"{self.dataset}/{self.model}/{self.loss}/{self.batch_size}"

    @classmethod
    def parse(cls, text: str) -> LearningCell:
        """Return the cell that `str` made a text of.

        Examples
        --------
        >>> LearningCell.parse("cancer/linear/logits/32").batch_size
        32
        """
        dataset, model, loss, batch_size = text.split("/")
        return cls(dataset, model, loss, int(batch_size))


@dataclass(frozen=True)
class Regime:
    """One comparison: the trainings of each loss on the same data, in batches of the same size.

    Parameters
    ----------
    part : {"exploratory", "confirmatory"}
    question, asks, primary : str
        The question's name, its sentence and its metric.
    dataset : str
    models : mapping of str by str
        The network of each loss.
    batch_size : int
    seeds : range
    epoch : {"last", "best"}
        The epoch that is judged.
    """

    part: Part
    question: str
    asks: str
    primary: Metric
    dataset: str
    models: Mapping[str, str]
    batch_size: int
    seeds: range
    epoch: Literal["last", "best"] = "last"

    def cell(self, loss: str) -> LearningCell:
        """Return the cell of one loss."""
        return LearningCell(self.dataset, self.models[loss], loss, self.batch_size)


def regimes(learning: Learning | None) -> list[Regime]:
    """Return every regime of a study, in the order of its questions."""
    return [
        Regime(part, name, q.asks, q.primary, dataset, models, batch_size, q.seeds.all, q.epoch)
        for part, name, q in (learning.questions() if learning else ())
        for dataset, models, batch_size in product(q.dataset, q.models(), q.batch_size)
    ]


def learning_cells(learning: Learning | None) -> dict[LearningCell, list[int]]:
    """Return every cell of a study with its seeds: those of all the regimes that need it."""
    found: dict[LearningCell, set[int]] = {}
    for regime in regimes(learning):
        for loss in regime.models:
            found.setdefault(regime.cell(loss), set()).update(regime.seeds)
    return {cell: sorted(seeds) for cell, seeds in found.items()}


def rates(
    regimes: Iterable[Regime], models: Mapping[str, Mapping[str, Any]]
) -> dict[tuple[Any, ...], dict[float, Regime]]:
    """Return the regimes of a question that differ in their learning rate alone, by their rate.

    Parameters
    ----------
    regimes : iterable of Regime
    models : mapping
        The settings of each network.

    Returns
    -------
    dict
        At least two regimes each. The key: part, question, data set, batch size, and the other
        settings of the network as JSON.
    """
    groups: dict[tuple[Any, ...], dict[float, Regime]] = {}
    for regime in regimes:
        names = set(regime.models.values())
        if len(names) == 1:
            model = dict(models[names.pop()])
            rate = float(model.pop("learning_rate"))
            key = (regime.part, regime.question, regime.dataset, regime.batch_size)
            groups.setdefault((*key, json.dumps(model, sort_keys=True)), {})[rate] = regime
    return {key: found for key, found in groups.items() if len(found) > 1}
