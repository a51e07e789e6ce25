"""Files, locks, hashes, signals and processes; nothing about segmentation."""
