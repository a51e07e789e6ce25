"""Plans: recipes from what images and masks are like. No torch."""

from __future__ import annotations

from segkit.analysis.plan.planned import PlannedRecipe, loading_overrides, plan_folder, plan_recipe

__all__ = ["PlannedRecipe", "loading_overrides", "plan_folder", "plan_recipe"]
