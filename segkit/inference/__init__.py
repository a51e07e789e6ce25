"""A trained model, used: pixels in, probabilities and masks out, at the image's own size. No torch."""
