"""A model built from a recipe: encoder, decoder and head."""
