"""What `SaturationMonitor` costs: epochs of `fit` and of a PyTorch loop, with it and without.

python benchmarks/monitor.py [pairs]
"""

import gc
import sys
import time
import warnings

import numpy as np

BATCH = 20


def networks():
    """Yield the name, the network and the inputs of the default convnet and of a small head."""
    import keras
    from keras import layers

    chance = np.random.default_rng(0)
    convolutions = []
    for filters in (32, 64, 128, 128):
        convolutions += [layers.Conv2D(filters, 3, activation="relu"), layers.MaxPooling2D()]
    for name, shape, count, units, body in (
        ("convnet", (48, 48, 1), 600, 512, [layers.Rescaling(1 / 255), *convolutions[:-1]]),
        ("head of 1,280 features", (1280,), 2000, 256, []),
    ):
        network = keras.Sequential(
            [
                keras.Input(shape),
                *body,
                layers.Flatten(),
                layers.Dropout(0.5),
                layers.Dense(units, activation="relu"),
                layers.Dense(1),
            ]
        )
        loss = keras.losses.BinaryCrossentropy(from_logits=True)
        network.compile(keras.optimizers.RMSprop(0.001), loss)
        x = chance.normal(0, 1, (count, *shape)).astype(np.float32)
        y = chance.integers(0, 2, (count, 1)).astype(np.float32)
        yield name, network, x, y


def fitted(network, x, y):
    """Return a function that trains an epoch, with a monitor or without."""
    from sigmoid_bce.keras import SaturationMonitor

    monitor = SaturationMonitor()

    class Clock(__import__("keras").callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            self.start = now()

        def on_epoch_end(self, epoch, logs=None):
            self.seconds = now() - self.start

    def epoch(watched):
        clock = Clock()
        # the clock ends after the monitor
        callbacks = [monitor, clock] if watched else [clock]
        network.fit(x, y, batch_size=BATCH, epochs=1, verbose=0, callbacks=callbacks)
        return clock.seconds

    return epoch


def looped(x, y):
    """Return a function that trains a head with PyTorch for an epoch."""
    import torch

    from sigmoid_bce.torch import SaturationMonitor

    torch.set_num_threads(1)
    x, y = torch.from_numpy(x), torch.from_numpy(y)
    network = torch.nn.Sequential(
        torch.nn.Dropout(0.5), torch.nn.Linear(1280, 256), torch.nn.ReLU(), torch.nn.Linear(256, 1)
    )
    loss = torch.nn.BCEWithLogitsLoss()
    optimizer = torch.optim.RMSprop(network.parameters(), 0.001)
    monitor = SaturationMonitor(loss)

    def epoch(watched):
        start = now()
        for first in range(0, len(x), BATCH):
            raw_output, label = network(x[first : first + BATCH]), y[first : first + BATCH]
            if watched:
                monitor(raw_output, label)
            optimizer.zero_grad()
            loss(raw_output, label).backward()
            optimizer.step()
        if watched:
            monitor.epoch()
        return now() - start

    return epoch


def now():
    """Return the seconds of CPU that this process has used: the machine may be busy."""
    return time.process_time()


def compare(name, epoch, pairs):
    """Print the cost of the monitor as a share of an epoch."""
    for watched in (False, True):
        epoch(watched)
    rows = []
    gc.disable()
    for pair in range(pairs):
        order = (False, True) if pair % 2 else (True, False)
        found = {watched: epoch(watched) for watched in order}
        rows.append([found[False], found[True]])
    gc.enable()
    plain, watched = np.transpose(rows)
    cost = 100 * (watched / plain - 1)
    low, high = np.quantile(cost, [0.25, 0.75])
    # of the quickest epochs: a busy machine makes others slower
    print(
        f"{name}: an epoch {1000 * plain.min():.1f} ms of CPU at least; with the monitor "
        f"{100 * (watched.min() / plain.min() - 1):+.2f} % (median of {pairs} pairs "
        f"{np.median(cost):+.2f} %, quartiles {low:+.2f} to {high:+.2f})",
        flush=True,
    )


def main(pairs=30):
    """Compare all of them, at batch size 20, on one thread."""
    import tensorflow as tf

    warnings.simplefilter("ignore")
    tf.config.threading.set_inter_op_parallelism_threads(1)
    tf.config.threading.set_intra_op_parallelism_threads(1)
    for name, network, x, y in networks():
        compare(f"Keras, {name}", fitted(network, x, y), pairs)
    try:
        import torch  # noqa: F401
    except ImportError:
        return
    compare("PyTorch, head of 1,280 features", looped(x, y), pairs)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:2]))
