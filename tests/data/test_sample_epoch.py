"""Which images an epoch has, and which samples must show a class."""

import numpy as np

from segkit.data.sample_epoch import NO_TARGET, ORDER, SampleEpochs

SHOWS = np.zeros((4, 10), bool)  # three classes and any foreground, ten images
SHOWS[0] = True
SHOWS[1, [2, 5]] = SHOWS[2, [7]] = True
SHOWS[3] = SHOWS[1] | SHOWS[2]
GROUPS = [np.arange(0, 4), np.arange(4, 5), np.arange(5, 10)]


def images(epochs: SampleEpochs, number: int) -> list[int]:
    return [image for epoch in range(1, number + 1) for image in epochs.of(epoch).image.tolist()]


def test_an_epoch_is_a_pass_over_the_images_and_others_go_on_from_pass_to_pass():
    plain = SampleEpochs(10, 5)
    for epoch in (3, 1):
        expected = np.random.default_rng([ORDER, 5, epoch]).permutation(10)
        np.testing.assert_array_equal(plain.of(epoch).image, expected)
    assert set(plain.of(1).target) == {NO_TARGET}
    # The same images in the same order, however they are divided into epochs.
    order = images(plain, 12)
    for samples in (3, 10, 24, 40):
        assert images(SampleEpochs(10, 5, samples=samples), 3) == order[: 3 * samples]
    long = SampleEpochs(10, 5, samples=24).of(1)
    assert sorted(zip(long.image.tolist(), long.repeat.tolist(), strict=True)) == sorted(
        {(image, order[:24][:place].count(image)) for place, image in enumerate(order[:24])}
    )


def test_strata_take_turns_and_each_goes_through_its_images():
    epochs = SampleEpochs(10, 5, samples=20, strata=GROUPS)
    drawn = np.array(images(epochs, 3))
    counts = [int(np.isin(drawn, members).sum()) for members in GROUPS]
    assert counts == [20, 20, 20]
    assert np.bincount(drawn).tolist() == [5] * 4 + [20] + [4] * 5
    assert images(SampleEpochs(10, 5, samples=60, strata=GROUPS), 1) == drawn.tolist()


def test_share_of_targets_is_exact_and_images_without_one_are_left_as_they_are():
    plain = SampleEpochs(10, 5, samples=25)
    epochs = SampleEpochs(10, 5, samples=25, foreground=0.3, targets=[3], shows=np.ones_like(SHOWS))
    targets = np.concatenate([epochs.of(epoch).target for epoch in range(1, 5)])
    assert (targets == 3).sum() == 30
    assert len({tuple(np.flatnonzero(epochs.of(epoch).target == 3)) for epoch in range(1, 5)}) == 4
    epochs = SampleEpochs(10, 5, samples=25, foreground=1.0, targets=[3], shows=SHOWS)
    drawn = epochs.of(1)
    np.testing.assert_array_equal(drawn.image, plain.of(1).image)
    np.testing.assert_array_equal(drawn.target == 3, SHOWS[3, drawn.image])


def test_classes_take_turns_in_images_that_show_them():
    epochs = SampleEpochs(10, 5, samples=40, foreground=0.5, targets=[1, 2], shows=SHOWS, others_from="all")
    drawn = epochs.of(1)
    assert np.bincount(drawn.target + 1, minlength=4).tolist() == [20, 0, 10, 10]
    for target in (1, 2):
        assert SHOWS[target, drawn.image[drawn.target == target]].all()
    assert {*drawn.image[drawn.target == 1]} == {2, 5}
    free = drawn.target == NO_TARGET
    np.testing.assert_array_equal(drawn.image[free], SampleEpochs(10, 5, samples=40).of(1).image[free])


def test_an_image_of_the_same_stratum_takes_the_place_of_one_without_foreground():
    epochs = SampleEpochs(
        10, 5, samples=30, strata=GROUPS, foreground=1.0, targets=[3], shows=SHOWS, others_from="stratum"
    )
    drawn = epochs.of(1)
    assert {*drawn.image[0::3]} == {2}
    assert {*drawn.image[1::3]} == {4}
    assert {*drawn.target[1::3]} == {NO_TARGET}, "no image of this group has foreground"
    assert {*drawn.image[2::3]} == {5, 7}
    strata = [np.flatnonzero(SHOWS[target]) for target in range(3)]
    epochs = SampleEpochs(
        10, 5, samples=30, strata=strata, foreground=1.0, targets=[3, 1, 2], by_stratum=True, shows=SHOWS,
        others_from="stratum",
    )  # fmt: skip
    drawn = epochs.of(2)
    np.testing.assert_array_equal(drawn.target, [3, 1, 2] * 10)
    assert SHOWS[drawn.target, drawn.image].all()
