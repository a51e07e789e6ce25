"""Data set checks. No torch."""

from __future__ import annotations

from segkit.analysis.dataset.check_dataset import CheckResult, check_dataset
from segkit.analysis.dataset.contact_sheet import write_contact_sheet
from segkit.analysis.dataset.dataset import Dataset, dataset_of_recipe
from segkit.analysis.dataset.detect_layout import dataset_of_folder
from segkit.analysis.dataset.finding import Finding

__all__ = [
    "CheckResult", "Dataset", "Finding", "check_dataset", "dataset_of_folder", "dataset_of_recipe",
    "write_contact_sheet",
]  # fmt: skip
