"""What is kept of an image is what the encoder would say again, whatever else was in the batch."""

import copy

import torch

from segkit.models.feature_cache import ENCODE_BATCH_SIZE, FeatureCache
from segkit.models.segmenter import digest
from tests.models.test_segmenter import images, model_of
from tests.parts.decoders.cases import encoder_for


class Counting:
    """Encodes by one convolution, and counts."""

    def __init__(self):
        torch.manual_seed(0)
        self.conv = torch.nn.Conv2d(3, 4, 3).requires_grad_(False).to(memory_format=torch.channels_last)
        self.sizes = []

    def __call__(self, image):
        self.sizes.append(len(image))
        return [self.conv(image.float()), image.float().mean((2, 3), keepdim=True)]


def test_an_image_is_encoded_once():
    cache, encode, image = FeatureCache(), Counting(), images(5)
    first = cache.features(image, encode)
    again = cache.features(image.flip(0), encode)
    assert encode.sizes == [ENCODE_BATCH_SIZE]
    assert len(cache) == 5
    for map_, other in zip(first, again, strict=True):
        assert torch.equal(map_, other.flip(0))
    for map_, plain in zip(first, encode(image), strict=True):
        torch.testing.assert_close(map_, plain)


def test_equal_pixels_are_one_image():
    cache, encode = FeatureCache(), Counting()
    maps = cache.features(images(1).expand(3, -1, -1, -1), encode)
    assert len(cache) == 1
    assert torch.equal(maps[0][0], maps[0][2])
    changed = images(1)
    changed[0, 0, 0, 0] += 1
    cache.features(changed, encode)
    assert len(cache) == 2


def test_the_same_bytes_whatever_the_company():
    """A batch is never encoded as it is: its size would show in the last digits."""
    encoder = encoder_for("mobilenetv2_100").eval().to(memory_format=torch.channels_last)
    image = images(13, 64, 64).contiguous(memory_format=torch.channels_last)

    def encode(part):
        return encoder(part.float() / 255)

    with torch.no_grad():
        together = FeatureCache().features(image, encode)
        cache = FeatureCache()
        alone = [cache.features(image[i : i + 1], encode) for i in range(len(image))]
    for stage, map_ in enumerate(together):
        assert torch.equal(map_, torch.cat([maps[stage] for maps in alone]))
        assert map_.is_contiguous(memory_format=torch.channels_last)


def test_a_full_memory_encodes_again():
    encode, image = Counting(), images(3)
    cache = FeatureCache(limit_bytes=0)
    first, again = cache.features(image, encode), cache.features(image, encode)
    assert len(cache) == 0
    assert encode.sizes == [ENCODE_BATCH_SIZE] * 2
    assert torch.equal(first[0], again[0])
    one_map = sum(map_[0].nbytes for map_ in first)
    fewer = Counting()
    in_twos = FeatureCache(at_once=2).features(image, fewer)
    assert fewer.sizes == [2, 2]
    torch.testing.assert_close(in_twos, first)
    cache = FeatureCache(limit_bytes=2 * one_map)
    cache.features(image, encode)
    assert (len(cache), cache.used_bytes) == (2, 2 * one_map)


def test_a_model_remembers_what_it_was_told_to():
    model = model_of(frozen=True).train()
    model.features(images())
    assert model.feature_cache is None
    model.enable_feature_cache()
    model.features(images())
    assert len(model.feature_cache) == 0
    model.eval().features(images())
    assert len(model.feature_cache) == 2
    model.enable_feature_cache(training=True)
    model.train().features(images(3, 16, 16))
    assert len(model.feature_cache) == 5


def test_a_model_that_stops_remembering_says_the_same_to_the_last_digit():
    model, image = model_of(frozen=True).eval(), images(3)
    model.enable_feature_cache()
    before = model.features(image)
    model.stop_caching()
    assert len(model.feature_cache) == 0
    after = model.features(image)
    assert len(model.feature_cache) == 0
    assert all(map(torch.equal, before, after))


def test_a_model_that_remembers_says_the_same_and_learns_the_same():
    plain, remembering = model_of(frozen=True), model_of(frozen=True)
    remembering.enable_feature_cache(training=True)
    for model in (plain, remembering):
        optimizer = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=0.1)
        with torch.inference_mode():  # what is kept then must still do for training
            model.eval()(images())
        for _ in range(3):
            optimizer.zero_grad()
            model.train()(images()).square().mean().backward()
            optimizer.step()
    for name, tensor in plain.state_dict().items():
        torch.testing.assert_close(tensor, remembering.state_dict()[name], msg=name)


def test_an_encoder_that_learns_is_not_remembered():
    model = model_of()
    model.enable_feature_cache(training=True)
    assert model.feature_cache is None


def test_a_copy_begins_with_nothing():
    model = model_of(frozen=True).eval()
    model.enable_feature_cache()
    model.features(images())
    assert len(copy.deepcopy(model).feature_cache) == 0
    assert len(model.feature_cache) == 2


def test_new_weights_are_folded_anew():
    model, other = model_of(frozen=True).eval(), model_of(frozen=True).eval()
    torch.nn.init.normal_(other.encoder.first[0].weight)
    assert digest(other) != digest(model)
    before = model(images())
    model.load_state_dict(other.state_dict())
    assert not torch.equal(model(images()), before)
    assert torch.equal(model(images()), other(images()))
    doubled = model.double()(images())
    torch.testing.assert_close(doubled, other(images()).double(), rtol=1e-4, atol=1e-5)


def test_what_was_remembered_of_other_weights_is_forgotten():
    model, other = model_of(frozen=True).eval(), model_of(frozen=True).eval()
    torch.nn.init.normal_(other.encoder.first[0].weight)
    for one in (model, other):
        one.enable_feature_cache()
        one(images())
    model.load_state_dict(other.state_dict())
    assert torch.equal(model(images()), other(images()))
    with torch.no_grad():
        model.encoder.second[0].weight.mul_(2)
        other.encoder.second[0].weight.mul_(2)
    assert torch.equal(model(images()), other(images()))
    assert len(model.feature_cache) == 2
