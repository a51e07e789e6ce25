"""What is wrong with a data set, file by file, before anything is trained on it. No torch."""

from __future__ import annotations

from segkit.analysis.dataset.check_dataset import Examination, examine
from segkit.analysis.dataset.contact_sheet import write_contact_sheet
from segkit.analysis.dataset.detect_layout import of_folder
from segkit.analysis.dataset.finding import Finding
from segkit.analysis.dataset.subject import Subject, of_recipe

__all__ = ["Examination", "Finding", "Subject", "examine", "of_folder", "of_recipe", "write_contact_sheet"]
