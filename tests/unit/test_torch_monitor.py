"""The monitor of a PyTorch loop."""

import re
import warnings

import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer

from sigmoid_bce.jobs.logs import UserError
from sigmoid_bce.monitors.watch import SaturationWarning
from support.checkout import ROOT

torch = pytest.importorskip("torch")
from torch import nn  # noqa: E402

from sigmoid_bce.torch import SaturationMonitor  # noqa: E402

X, Y = (torch.tensor(part, dtype=torch.float32) for part in load_breast_cancer(return_X_y=True))
TAME = (X - X.mean(dim=0)) / X.std(dim=0)


def train(way, x=X, watched=True):
    """Train for an epoch; return the monitor, raw outputs and gradients of each batch, weights."""
    torch.manual_seed(0)
    linear, sigmoid = nn.Linear(30, 1), nn.Sigmoid()
    nn.init.zeros_(linear.weight)
    network = nn.Sequential(linear, sigmoid)
    loss = nn.BCEWithLogitsLoss() if way == "logits" else nn.BCELoss()
    monitor = SaturationMonitor(loss, network if way == "module" else None)
    if watched and way in ("module", "attached"):
        monitor.attach()
    optimizer = torch.optim.Adam(linear.parameters(), 0.1)
    seen = []
    for rows in torch.arange(len(x)).split(32):
        raw, y = linear(x[rows]), Y[rows, None]
        raw.retain_grad()
        output = raw if way == "logits" else sigmoid(raw)
        if watched and way not in ("module", "attached"):
            given = {"called": raw, "logits": raw, "shares": output, "detached": raw.detach()}
            monitor(given[way], y)
        optimizer.zero_grad()
        loss(output, y).backward()
        optimizer.step()
        seen.append((raw.detach()[:, 0].numpy(), raw.grad[:, 0].numpy(), y[:, 0].numpy()))
    if watched:
        monitor.epoch()
        monitor.close()
    return monitor, seen, [part.detach().numpy().tobytes() for part in linear.parameters()]


@pytest.mark.parametrize("way", ["called", "detached", "module", "attached", "shares", "logits"])
def test_the_counts_are_those_of_the_loop(way):
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        monitor, seen, weights = train(way)
    texts = [str(one.message) for one in found if one.category is SaturationWarning]
    (row,) = monitor.history
    x, gradient, y = (np.concatenate(part) for part in zip(*seen, strict=True))
    dead, wrong = gradient == 0, (x > 0) != (y == 1)
    for label in (0, 1):
        for side, there in (("wrong", wrong), ("correct", ~wrong)):
            share = (dead & there & (y == label)).sum() / (y == label).sum()
            assert row[f"dead_{label}_{side}"] == pytest.approx(share)
    if way in ("attached", "shares"):
        assert row["source"] == "inverted"
    else:
        assert row["raw_output_min"] == pytest.approx(x.min())
    assert row["loss"] == ("logits" if way == "logits" else "bce_loss")
    first = [i for i, (x, g, y) in enumerate(seen, 1) if ((g == 0) & ((x > 0) != (y == 1))).any()]
    assert bool(texts) == bool(first) == (way != "logits")
    if first:
        assert f"epoch 1, batch {first[0]}:" in texts[0]
        assert "BCEWithLogitsLoss()" in texts[0]
    assert weights == train(way, watched=False)[2]


def test_a_tame_loop_is_watched_without_a_warning():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        monitor, _, _ = train("called", TAME)
        with torch.no_grad():
            monitor(TAME[:, :1], Y, validation=True)
        monitor(TAME[:, :1], Y, Y)
        row = monitor.epoch()
    assert (row["val_samples_0"], row["samples_0"], row["samples_1"]) == (212, 0, 357)
    assert row["dead_1_wrong"] == 0


def test_the_document_s_example_runs():
    code = re.findall(r"```python\n(.*?)```", (ROOT / "docs/monitor.md").read_text(), re.DOTALL)[1]
    names = {}
    torch.manual_seed(0)
    with pytest.warns(SaturationWarning, match="Instead: BCEWithLogitsLoss"):
        exec(code, names)
    assert names["row"]["epoch"] == 2


def test_what_cannot_be_watched_is_a_line():
    monitor = SaturationMonitor(lambda x, y: x - y)
    monitor(X[:4, 0], Y[:4])
    with pytest.raises(UserError, match="before backward"):
        monitor.epoch()
    with pytest.raises(UserError, match="8 outputs and 4 labels"):
        monitor(X[:4, :2], Y[:4])
    with pytest.raises(UserError, match="did you mean 'bce_loss'"):
        SaturationMonitor("bce_los")
    with pytest.raises(UserError, match="a module"):
        SaturationMonitor("bce_loss").attach()


@pytest.mark.parametrize("labels", [(-1, 1), (0, 2), (0, 255)])
def test_labels_beyond_0_and_1_are_a_line_at_the_user_s_own(labels):
    loss = torch.nn.BCEWithLogitsLoss()
    monitor = SaturationMonitor(loss).attach()
    x = torch.tensor([1.0, -1.0], requires_grad=True)
    loss(x, torch.tensor(labels).float()).backward()
    with pytest.warns(UserWarning, match="labels from {} to {}".format(*labels)) as said:
        monitor.epoch()
    assert said[0].filename == __file__
    assert len(said) == 1


def test_soft_labels_are_labels():
    loss = torch.nn.BCEWithLogitsLoss()
    monitor = SaturationMonitor(loss)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        x = torch.tensor([1.0, -1.0, 3.0], requires_grad=True)
        # a sample of weight 0 is not counted, whatever its label
        monitor(x, torch.tensor([0.1, 1.0, -1.0]), torch.tensor([1.0, 1.0, 0.0]))
        loss(x, torch.tensor([0.1, 1.0, 0.0])).backward()
        monitor.epoch()
