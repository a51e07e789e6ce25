"""Search for the best values of a recipe: `segkit tune`."""
