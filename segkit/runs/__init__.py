"""Run directories: file names, file formats, fingerprints, trackers."""
