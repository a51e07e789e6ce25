"""The scripts of tests/fuzzing, imported: their ways to break things are those of the tests here."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "fuzzing"))
import damage_images
import image_damage
import mutate_recipes
import recipe_mutations

sys.path.pop(0)

__all__ = ["damage_images", "image_damage", "mutate_recipes", "recipe_mutations"]
