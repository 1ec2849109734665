"""Monitors in trainings with a real tracking store of MLflow."""

import keras
import mlflow
import numpy as np
import pytest

from sigmoid_bce.keras import SaturationMonitor

X = np.float32([[-60], [60], [1], [-1]] * 8)
Y = np.float32([1, 0, 1, 0] * 8)


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """A real tracking store, as MLflow makes it in an empty folder."""
    folder = tmp_path_factory.mktemp("store")
    mlflow.set_tracking_uri(f"sqlite:///{folder / 'mlflow.db'}")
    mlflow.create_experiment("runs", (folder / "artifacts").as_uri())
    mlflow.set_experiment("runs")
    yield mlflow.MlflowClient()
    while mlflow.active_run():
        mlflow.end_run()
    mlflow.set_tracking_uri(None)


def with_keras(epochs):
    network = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, "sigmoid")])
    network.compile("sgd", "binary_crossentropy")
    monitor = SaturationMonitor()
    validation = {"validation_data": (X[:4], Y[:4])}
    network.fit(X, Y, epochs=epochs, verbose=0, callbacks=[monitor], **validation)
    return monitor


def with_torch(epochs):
    torch = pytest.importorskip("torch")
    from sigmoid_bce.torch import SaturationMonitor

    network, loss = torch.nn.Linear(1, 1), torch.nn.BCEWithLogitsLoss()
    monitor, optimizer = SaturationMonitor(loss), torch.optim.SGD(network.parameters(), 0.1)
    x, y = torch.tensor(X), torch.tensor(Y)[:, None]
    for _ in range(epochs):
        raw_output = network(x)
        monitor(raw_output, y)
        optimizer.zero_grad()
        loss(raw_output, y).backward()
        optimizer.step()
        monitor(network(x[:4]).detach(), y[:4], validation=True)
        monitor.epoch()
    return monitor


@pytest.mark.filterwarnings("ignore::sigmoid_bce.monitors.watch.SaturationWarning")
@pytest.mark.parametrize("train", [with_keras, with_torch])
def test_every_number_of_every_epoch_is_in_the_active_run(train, store):
    with mlflow.start_run() as run:
        monitor = train(2)
    assert [row["epoch"] for row in monitor.history] == [1, 2]
    expected = {
        (f"saturation/{name}", row["epoch"]): value
        for row in monitor.history
        for name, value in row.items()
        if name not in ("epoch", "loss", "source") and np.isfinite(value)
    }
    assert {("saturation/dead_0_wrong", 2), ("saturation/val_samples_1", 1)} <= set(expected)
    found = {
        (point.key, point.step): point.value
        for key in store.get_run(run.info.run_id).data.metrics
        for point in store.get_metric_history(run.info.run_id, key)
    }
    assert found == pytest.approx(expected)
    before = len(store.search_runs([run.info.experiment_id]))
    train(1)
    after = store.search_runs([run.info.experiment_id])
    assert len(after) == before, "without an active run nothing is logged"


@pytest.mark.filterwarnings("ignore::sigmoid_bce.monitors.watch.SaturationWarning")
def test_a_training_ends_although_its_run_is_gone(store):
    run = mlflow.start_run().info.run_id
    store.delete_run(run)
    with pytest.warns(UserWarning, match="values are not in MLflow: MlflowException"):
        assert len(with_keras(1).history) == 1
    store.restore_run(run)
