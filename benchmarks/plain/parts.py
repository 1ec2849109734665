"""Networks, losses and figures of the plain scripts, written as in Keras's guides.

Assumptions of `careful.py` and `naive.py`:

- The images are decoded (images.npy and manifest.parquet, as rule `prepare` writes them).
- This project's loader reads the backbone, since Keras has no EfficientNet-Lite. The backbone is
  layers and weights only. No other code of the project is used.
- A callback saves the early stage. `EarlyStopping` on the training loss ends the training.
- `predict` runs all samples through the network at both stages.
- The reference loss is float64's, not correctly rounded: less work than the workflow's.
- Epochs log loss and accuracy, but no extremes of the raw outputs: less work than the workflow's.
- Matplotlib draws the figures, of the same cells as the workflow.

The tricks are those of TensorFlow's guide to performance: a `tf.data` pipeline with cache and
prefetch, several steps of training to a call, large batches for prediction.
"""

import math

import keras
import numpy as np
import pandas as pd
from PIL import Image

EPSILON = 1e-7
LARGE = 512
"""The batch size of predictions with tricks."""
AT_ONCE = 32
"""The most steps that a call trains, with tricks."""


def load_data(images, manifest):
    images = np.load(images)
    table = pd.read_parquet(manifest)
    table = table[["sample_id", "label", "split"]]
    return images, table, table["label"].to_numpy("float32"), (table["split"] == "train").to_numpy()


def resized(images, size):
    """Resize every image, (n, h, w, 1) to (n, size, size, 1)."""
    return np.stack(
        [
            np.asarray(Image.fromarray(image[..., 0]).resize((size, size), Image.BILINEAR))
            for image in images
        ]
    )[..., None]


def load_backbone(weights):
    from sigmoid_bce.models import backbones

    return backbones.build("efficientnet_lite0", weights, channels=1)


def features(images, weights):
    """Return the features of all images: the outputs of the frozen backbone."""
    backbone = load_backbone(weights)
    return backbone.predict(resized(images, backbone.input_shape[1]), verbose=0)


def use_one_thread():
    """Let TensorFlow compute on one thread, so that processes share the cores evenly."""
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)


def steps(samples, batch_size):
    """Return how many steps a call trains: those of an epoch, `AT_ONCE` at most."""
    return min(AT_ONCE, math.ceil(samples / batch_size))


def head(settings):
    return [
        keras.layers.Dropout(settings["dropout"]),
        keras.layers.Dense(settings["dense"], activation="relu"),
        keras.layers.Dense(1),
    ]


def convnet(settings, shape):
    network = keras.Sequential([keras.Input(shape), keras.layers.Rescaling(1 / 255)])
    for filters in settings["filters"]:
        network.add(keras.layers.Conv2D(filters, 3, activation="relu"))
        network.add(keras.layers.MaxPooling2D())
    network.add(keras.layers.Flatten())
    for layer in head(settings):
        network.add(layer)
    return network


def build(settings, shape, steps=1):
    if settings["architecture"] == "convnet":
        network = convnet(settings, shape)
    else:
        network = keras.Sequential([keras.Input(shape), *head(settings)])
    compile(network, settings, steps)
    return network


def compile(network, settings, steps=1):
    network.compile(
        optimizer=keras.optimizers.RMSprop(settings["learning_rate"]),
        loss=keras.losses.BinaryCrossentropy(from_logits=True),
        metrics=[keras.metrics.BinaryAccuracy(name="accuracy", threshold=0.0)],
        steps_per_execution=steps,
    )


class EarlyStage(keras.callbacks.Callback):
    def __init__(self, epochs, file):
        super().__init__()
        self.epochs, self.file = epochs, file

    def on_epoch_end(self, epoch, logs=None):
        if epoch + 1 == self.epochs:
            self.model.save_weights(self.file)


def train(network, settings, training, x, y, is_train, batch_size, folder):
    """Fit a network; leave the weights of both stages and the history in the folder."""
    history = network.fit(
        x[is_train],
        y[is_train],
        batch_size=batch_size,
        epochs=settings["max_epochs"],
        validation_data=(x[~is_train], y[~is_train]),
        callbacks=callbacks(training, folder),
        verbose=0,
    )
    return kept(network, history, folder)


def train_with_tricks(network, settings, training, x, y, is_train, batch_size, folder):
    """Fit as `train`, from a pipeline of `tf.data`."""
    import tensorflow as tf

    count = int(is_train.sum())
    data = tf.data.Dataset.from_tensor_slices((x[is_train], y[is_train])).cache()
    data = data.shuffle(count).batch(batch_size).prefetch(tf.data.AUTOTUNE)
    validation = tf.data.Dataset.from_tensor_slices((x[~is_train], y[~is_train]))
    history = network.fit(
        data,
        epochs=settings["max_epochs"],
        validation_data=validation.batch(LARGE).cache().prefetch(tf.data.AUTOTUNE),
        callbacks=callbacks(training, folder),
        verbose=0,
    )
    return kept(network, history, folder)


def callbacks(training, folder):
    return [
        EarlyStage(training["early_epochs"], folder / "early.weights.h5"),
        keras.callbacks.EarlyStopping("loss", patience=training["patience"]),
    ]


def kept(network, history, folder):
    """Write the weights of the full stage and the history; return the history."""
    network.save_weights(folder / "full.weights.h5")
    table = pd.DataFrame(history.history)
    table.insert(0, "epoch", range(1, len(table) + 1))
    table.to_csv(folder / "history.csv", index=False)
    return table


def losses(raw, y):
    """Return the losses of samples: from the raw output, from the sigmoid output, exact."""
    x = keras.ops.convert_to_tensor(raw)
    label = keras.ops.convert_to_tensor(y)
    p = keras.ops.sigmoid(x)
    clipped = keras.ops.clip(p, EPSILON, 1 - EPSILON)
    from_raw = keras.ops.binary_crossentropy(label, x, from_logits=True)
    from_sigmoid = -(  # sigmoid-bce: ignore
        label * keras.ops.log(clipped) + (1 - label) * keras.ops.log(1 - clipped)
    )
    x64, y64 = raw.astype("float64"), y.astype("float64")
    sign = 2 * y64 - 1
    return pd.DataFrame(
        {
            "raw_output": raw,
            "sigmoid": keras.ops.convert_to_numpy(p),
            "bce_raw": keras.ops.convert_to_numpy(from_raw),
            "bce_sigmoid": keras.ops.convert_to_numpy(from_sigmoid),
            "bce_exact": np.logaddexp(0, -sign * x64),
            "grad_raw": keras.ops.convert_to_numpy(p - label),
            "grad_exact": -sign * np.exp(-np.logaddexp(0, sign * x64)),
        }
    )


def batch_means(table, sizes, seed):
    """Return the mean losses of random batches of training images."""
    order = np.random.default_rng(seed).permutation(len(table))
    parts = []
    for size in sizes:
        chosen = table.iloc[order[: len(table) // size * size]]
        names = ["bce_raw", "bce_sigmoid", "bce_exact"]
        means = chosen[names].groupby(np.arange(len(chosen)) // size).mean()
        parts.append(means.assign(batch_size=size))
    return pd.concat(parts)


def figures(tables, batches, sizes, shown, folder):
    """Draw figures 4 to 6 and the batches of other sizes, as SVG and PNG."""
    from matplotlib import pyplot as plt

    made = []

    def save(figure, name):
        figure.tight_layout()
        for ending in ("svg", "png"):
            made.append(folder / f"{name}.{ending}")
            figure.savefig(made[-1])
        plt.close(figure)

    for name, (stage, table) in zip(("figure-4", "figure-5"), tables.items(), strict=True):
        figure, axes = plt.subplots(1, 3, figsize=(13, 4))
        for axis, column in zip(axes, ("raw_output", "sigmoid"), strict=False):
            for label in (0, 1):
                axis.hist(table.loc[table["label"] == label, column], bins=60, alpha=0.5)
            axis.set(xlabel=column, yscale="symlog")
        axes[2].loglog(table["bce_raw"], table["bce_sigmoid"], ".")
        figure.suptitle(stage)
        save(figure, name)
    for name, some in (("figure-6", [shown]), ("batch-mean", sizes)):
        figure, axes = plt.subplots(1, len(some), figsize=(4.4 * len(some), 4.2), squeeze=False)
        for axis, size in zip(axes[0], some, strict=True):
            part = batches[batches["batch_size"] == size]
            axis.loglog(part["bce_raw"], part["bce_sigmoid"], ".")
            axis.set_title(f"batches of {size}")
        save(figure, name)
    return made
