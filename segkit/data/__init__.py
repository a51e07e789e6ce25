"""Reading, resizing, splitting, caching and batching of images and masks."""
