"""Pretrained weights: found, read and checked; no network is touched."""

import pickle
import zipfile

import pytest
import timm
import torch

from segkit.core.errors import WeightsError
from segkit.parts.encoders import _pretrained as module
from segkit.parts.encoders._pretrained import content_digest, fetch_weights, find_weights, tag_of
from segkit.parts.encoders._timm_encoders import read_weights
from tests.parts.encoders.cases import MOBILENET, build, image, save, test_data

SMALL = "resnet10t"  # few parameters, quick to build and to save


@pytest.fixture(autouse=True)
def own_home(tmp_path, monkeypatch):
    monkeypatch.setenv("SEGKIT_HOME", str(tmp_path))
    monkeypatch.setattr(module, "_in_hub_cache", lambda model, tag: None)
    monkeypatch.setattr(module, "_from_hub", no_network)
    monkeypatch.setattr("segkit.parts.encoders._mobilenet_v2.fetch", no_network)
    (tmp_path / "weights").mkdir()


def no_network(*given):
    raise OSError("nothing answers\nand more lines")


def small_state(**options):
    torch.manual_seed(1)
    return timm.create_model(SMALL, **options).state_dict()


@pytest.mark.parametrize("ending", [".safetensors", ".pth"])
def test_weights_of_a_file_are_the_encoders(tmp_path, ending):
    state = small_state()
    encoder = build(SMALL, weights=save(state, tmp_path / f"own{ending}"))
    loaded = encoder.model.state_dict()
    assert all(torch.equal(loaded[key], state[key]) for key in loaded)


@pytest.mark.parametrize("key", ["state_dict", "model"])
def test_weights_may_lie_inside_a_checkpoint_and_without_classifier(tmp_path, key):
    state = {f"module.{name}": value for name, value in small_state(num_classes=0).items()}
    file = save({"epoch": 3, key: state}, tmp_path / "checkpoint.tar")
    loaded = build(SMALL, weights=file).model.state_dict()
    assert torch.equal(loaded["layer1.0.conv1.weight"], state["module.layer1.0.conv1.weight"])


def test_weights_of_the_users_folder_are_found_by_tag(tmp_path):
    place = tmp_path / "weights" / f"{SMALL}.c3_in1k.safetensors"
    assert find_weights(SMALL, "c3_in1k") is None
    save(small_state(), place)
    for weights in ("c3_in1k", "imagenet"):
        assert find_weights(SMALL, weights) == fetch_weights(SMALL, weights) == place
    assert find_weights(SMALL, "none") is None


@pytest.mark.parametrize("channels", [1, 4])
def test_pretrained_first_convolution_is_adapted(tmp_path, channels):
    """timm's rule: summed for a grey image; repeated and scaled for more channels."""
    state = small_state()
    first = "conv1.0.weight"
    adapted = build(SMALL, channels, weights=save(state, tmp_path / "own.pth")).model.state_dict()[first]
    if channels == 1:
        expected = state[first].sum(1, keepdim=True)
    else:
        expected = torch.cat([state[first], state[first][:, :1]], 1) * 3 / 4
    torch.testing.assert_close(adapted, expected)


def test_mean_and_std_are_those_of_the_tag(tmp_path):
    name = "test_vit"
    save(timm.create_model(name).state_dict(), tmp_path / "weights" / f"{name}.r160_in1k.pth")
    assert build(name, weights="r160_in1k").mean == (0.5, 0.5, 0.5)


def test_unknown_tag_is_refused_with_those_there_are(monkeypatch):
    with pytest.raises(
        WeightsError, match=r"resnet10t has no weights 'in22k'\n  try: one of none, imagenet, c3_in1k, or"
    ):
        find_weights(SMALL, "in22k")
    for model, known in (("mobilenetv2_100", "ra_in1k, or a file"), ("resnet18", "a1_in1k, a2_in1k, ")):
        with pytest.raises(WeightsError, match=f"one of none, imagenet, imagenet1k_v1, {known}"):
            find_weights(model, "random")
    monkeypatch.setattr(timm, "list_pretrained", lambda pattern: [])
    with pytest.raises(WeightsError, match=r"has no weights 'imagenet'\n  try: one of none, or a file"):
        tag_of(SMALL, "imagenet")


def test_torchvisions_name_is_timms_tag():
    assert tag_of("resnet18", "imagenet1k_v1") == "tv_in1k"
    assert tag_of("mobilenetv2_100", "imagenet1k_v1") == "imagenet1k_v1"


@pytest.mark.parametrize(
    ("model", "weights", "name"),
    [
        (SMALL, "imagenet", f"{SMALL}.c3_in1k.safetensors or {SMALL}.c3_in1k.pth"),
        ("mobilenetv2_100", "imagenet1k_v1", f"{MOBILENET} or mobilenet_v2-b0353104.pth"),
    ],
)
def test_weights_that_cannot_be_downloaded_say_what_to_put_where(tmp_path, model, weights, name):
    with pytest.raises(WeightsError) as caught:
        build(model, weights=weights)
    problem = caught.value.problems[0]
    assert problem.problem == (
        f"the weights {weights!r} of {model} are not on this machine "
        "and cannot be downloaded: nothing answers"
    )
    assert problem.where == str(tmp_path / "weights" / name.split(" or ")[0])
    assert problem.hint == (
        f"put {name} into {tmp_path / 'weights'}, or use weights: none for random initialisation"
    )


def test_missing_file_is_refused():
    with pytest.raises(WeightsError, match=r"nowhere\.pth: there is no such weights file"):
        build(SMALL, weights="folder/nowhere.pth")


class Malice:
    def __reduce__(self):
        return (exec, ("raise SystemExit('the file ran code')",))


def test_file_with_code_is_refused_and_not_run(tmp_path):
    file = tmp_path / "evil.pth"
    for dump in (torch.save, lambda value, path: path.write_bytes(pickle.dumps(value))):
        dump({"state_dict": Malice()}, file)
        with pytest.raises(
            WeightsError,
            match=r"evil\.pth: the weights cannot be read as plain tensors \(\w+\)\n  try: give a safe",
        ):
            build(SMALL, weights=str(file))


@pytest.mark.parametrize("ending", [".safetensors", ".pth"])
def test_damaged_file_is_refused(tmp_path, ending):
    file = tmp_path / f"torn{ending}"
    save(small_state(), file)
    file.write_bytes(file.read_bytes()[:1000])
    with pytest.raises(WeightsError, match=r"torn\.\w+: the weights cannot be read as plain tensors"):
        build(SMALL, weights=str(file))


def test_file_of_more_than_tensors_is_refused(tmp_path):
    file = save({**small_state(), "epoch": 7}, tmp_path / "more.pth")
    with pytest.raises(
        WeightsError, match=r"more\.pth: the file holds more than tensors, such as 'epoch'\n  try: save"
    ):
        build(SMALL, weights=file)
    with pytest.raises(WeightsError, match="cannot be read as plain tensors"):
        build(SMALL, weights=save([torch.zeros(1)], tmp_path / "list.pth"))


def test_file_of_another_model_is_refused(tmp_path):
    file = save(small_state(), tmp_path / "other.pth")
    with pytest.raises(
        WeightsError,
        match=r"other\.pth: the weights do not fit mobilenetv2_050: \d+ of 260 tensors are missing: blocks\."
        r"[^\n]+\n  try: use weights of mobilenetv2_050",
    ):
        build("mobilenetv2_050", weights=file)


def test_file_of_another_width_is_refused(tmp_path):
    file = save(timm.create_model("mobilenetv2_035").state_dict(), tmp_path / "narrow.pth")
    with pytest.raises(
        WeightsError, match=r"\d+ of 260 tensors have another shape: \S+ is \([\d, ]+\), not \([\d, ]+\)"
    ):
        build("mobilenetv2_050", weights=file)


def test_file_with_tensors_too_many_is_refused(tmp_path):
    extra = {"layer9.0.weight": torch.zeros(2), "layer9.1.weight": torch.zeros(2)}
    file = save({**small_state(), **extra}, tmp_path / "deeper.pth")
    with pytest.raises(
        WeightsError, match=r"2 tensors are not part of the model: layer9\.0\.weight, layer9\.1\.weight\n"
    ):
        build(SMALL, weights=file)


def test_names_that_timm_translates_are_translated(tmp_path):
    """A file in the naming that timm's own rule for the architecture knows."""
    torch.manual_seed(0)
    state = timm.create_model("convnext_atto").state_dict()
    published = {
        key.replace("stem.", "downsample_layers.0.")
        .replace("mlp.fc1", "pwconv1")
        .replace("mlp.fc2", "pwconv2")
        .replace("conv_dw", "dwconv")
        .replace(".blocks.", ".")
        .replace("head.norm", "norm")
        .replace("head.fc", "head"): value
        for key, value in state.items()
    }
    for stage in (1, 2, 3):
        published = {
            key.replace(f"stages.{stage}.downsample", f"downsample_layers.{stage}"): v
            for key, v in published.items()
        }
    loaded = build("convnext_atto", weights=save(published, tmp_path / "published.pth")).model.state_dict()
    assert torch.equal(loaded["stages_1.blocks.0.mlp.fc1.weight"], state["stages.1.blocks.0.mlp.fc1.weight"])


def test_pinned_file_is_known_by_its_tensors(tmp_path):
    state = timm.create_model("mobilenetv2_100").state_dict()
    save(state, tmp_path / "weights" / MOBILENET)
    with pytest.raises(
        WeightsError,
        match=r"imagenet1k_v1\.safetensors: these are not torchvision's ImageNet weights of MobileNetV2[^\n]+"
        r"\n  try: remove the file to download it again",
    ):
        build("mobilenetv2_100", weights="imagenet1k_v1")


def test_content_digest_sees_names_types_shapes_and_bytes():
    state = {"a": torch.arange(4.0), "b": torch.tensor(1.0, dtype=torch.bfloat16)}
    digest = content_digest(state)
    assert digest == content_digest(dict(reversed(state.items())))
    others = [
        {**state, "a": state["a"].view(2, 2)},
        {**state, "a": state["a"] + 1},
        {**state, "a": state["a"].int()},
        {"c": state["a"], "b": state["b"]},
    ]
    assert len({digest, *map(content_digest, others)}) == 5


def test_torchvisions_weights_give_timms_features(monkeypatch):
    folder = test_data()
    monkeypatch.setenv("SEGKIT_HOME", str(folder))
    assert find_weights("mobilenetv2_100", "imagenet1k_v1") == folder / "weights" / MOBILENET
    encoder = build("mobilenetv2_100", weights="imagenet1k_v1")
    judge = timm.create_model("mobilenetv2_100", num_classes=0).eval()
    judge.load_state_dict(read_weights(folder / "weights" / MOBILENET), strict=False)
    with torch.inference_mode():
        torch.testing.assert_close(encoder(image(100, 128))[-1], judge.forward_features(image(100, 128)))


@pytest.mark.parametrize("ending", [".safetensors", ".pth"])
def test_torchvisions_names_are_translated(tmp_path, ending):
    torchvision = pytest.importorskip("torchvision")
    torch.manual_seed(0)
    judge = torchvision.models.mobilenet_v2(weights=None).eval()
    for norm in judge.modules():  # statistics of their own, so that an exchange would show
        if isinstance(norm, torch.nn.BatchNorm2d):
            norm.running_mean.normal_()
            norm.running_var.uniform_(0.5, 2)
    encoder = build("mobilenetv2_100", weights=save(judge.state_dict(), tmp_path / f"torchvision{ending}"))
    with torch.inference_mode():
        maps, x = encoder(image(64, 96)), image(64, 96)
        torch.testing.assert_close(maps[-1], judge.features(x))
        torch.testing.assert_close(maps[0], judge.features[:2](x))


def test_file_that_would_unpack_to_more_than_it_has_is_refused(tmp_path):
    file = tmp_path / "bomb.pth"
    save({"weight": torch.zeros(1_000_000)}, file)
    with zipfile.ZipFile(file) as plain, zipfile.ZipFile(tmp_path / "b", "w", zipfile.ZIP_DEFLATED) as small:
        for member in plain.namelist():
            small.writestr(member, plain.read(member))
    (tmp_path / "b").replace(file)
    with pytest.raises(WeightsError, match=r"bomb\.pth: the file would unpack to 4,0\d\d,\d{3} bytes, more"):
        read_weights(file)


def test_tensor_larger_than_its_file_is_refused(tmp_path):
    """One number, said to be a million millions: whoever copies it fills the memory."""
    file = tmp_path / "vast.pth"
    save({"weight": torch.zeros(1).expand(10**6, 10**6)}, file)
    with pytest.raises(WeightsError, match=r"vast\.pth: the tensor 'weight' is larger than its file"):
        read_weights(file)


def test_safetensors_of_an_absurd_header_is_refused(tmp_path):
    file = tmp_path / "absurd.safetensors"
    tensor = b'{"weight": {"dtype": "F32", "shape": [1000000000000], "data_offsets": [0, 4000000000000]}}'
    for header in ((2**62).to_bytes(8, "little"), len(tensor).to_bytes(8, "little") + tensor):
        file.write_bytes(header)
        with pytest.raises(WeightsError, match=r"absurd\.safetensors: the weights cannot be read as plain"):
            read_weights(file)
