"""The user's own network: their function makes it, and it ends in a raw output."""

from __future__ import annotations

import inspect

import keras
from keras import layers

from sigmoid_bce.models import endings
from sigmoid_bce.models.own_code import NetworkError, function, of_user
from sigmoid_bce.numerics.surroundings import restored
from sigmoid_bce.study.models import Custom


def _made(model: Custom, shape: tuple[int, ...], name: str) -> keras.Model:
    """Return the Keras model that a user's function returns, of one input that fits the images."""
    build = function(model.function, model.file, model.folder)
    with of_user(name, model.folder):
        wants_shape = bool(inspect.signature(build).parameters)
        made = build(shape) if wants_shape else build()
    if not isinstance(made, keras.Model):
        raise NetworkError(f"{name}: it returns {type(made).__name__}, expected a keras.Model")
    given = tuple(getattr(made, "input_shape", None) or (None, *shape))
    if not all(isinstance(n, int | None) for n in given):
        raise NetworkError(f"{name}: it has {len(given)} inputs, expected one, the images")
    fits = len(given) == len(shape) + 1 and all(
        a in (None, b) for a, b in zip(given[1:], shape, strict=True)
    )
    if not fits:
        raise NetworkError(
            f"{name}: it takes inputs of shape {given[1:]}, but the data have the shape {shape}: "
            "build it for the shape that your function is called with, or change image_size or "
            "channels"
        )
    return made


def network(model: Custom, shape: tuple[int, ...]) -> keras.Model:
    """Return the untrained network.

    Parameters
    ----------
    model : Custom
        Its section of the configuration, as `sigmoid_bce.planning.locate.locate` completed it.
    shape : tuple of int
        (size, size, channels).

    Returns
    -------
    keras.Model
        From images (n, *shape), 0 to 255, to raw outputs (n, 1). Its attribute `cut_sigmoid` is
        the name of the layer whose sigmoid was cut off, or an empty string.

    Raises
    ------
    NetworkError
        If the function fails, or does not return a Keras model of one input and one raw output.
    """
    name = f"{model.file}: {model.function.split(':')[1]}"
    pixels = keras.Input(shape, dtype="float32")
    as_floats = layers.Rescaling(1.0, dtype="float32", name="pixels")(pixels)
    with restored(keras, str(model.file)):
        made = _made(model, shape, name)
        with of_user(name, model.folder):
            output = made(as_floats)
    if not hasattr(output, "shape"):
        raise NetworkError(
            f"{name}: it has {len(output)} outputs, expected one raw output for a binary label"
        )
    if tuple(output.shape[1:]) != (1,):
        raise NetworkError(
            f"{name}: its output has the shape {tuple(output.shape)}, expected (None, 1), one raw "
            "output for a binary label"
        )
    if not made.trainable_variables:
        raise NetworkError(f"{name}: it has no trainable weights")
    with of_user(name, model.folder):
        made, cut = endings.raw(made, shape, name, really=model.really_raw)
    raw_output = made(as_floats)
    if raw_output.dtype != "float32":
        print(
            f"{name}: its raw output is {raw_output.dtype} and is cast to float32; to compute the "
            "last layer in float32, give it dtype='float32'",
            flush=True,
        )
        raw_output = layers.Activation("linear", dtype="float32", name="raw_output")(raw_output)
    whole = keras.Model(pixels, raw_output, name="custom")
    whole.cut_sigmoid = cut
    if cut:
        print(f"{name}: the sigmoid of {cut!r}, its last layer, is cut off", flush=True)
    return whole
