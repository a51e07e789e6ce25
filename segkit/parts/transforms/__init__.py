"""Transforms: augmentation of images and masks."""
