"""What is wrong with a data set, file by file, before anything is trained on it. No torch."""

from __future__ import annotations

from segkit.doctor.examine import Examination, examine
from segkit.doctor.fault import Fault
from segkit.doctor.layouts import of_folder
from segkit.doctor.sheet import write_sheet
from segkit.doctor.subject import Subject, of_recipe

__all__ = ["Examination", "Fault", "Subject", "examine", "of_folder", "of_recipe", "write_sheet"]
