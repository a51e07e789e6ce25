"""Data: sources of images and masks, and augmentation. Importing this package registers nothing."""
