"""How fast a recipe trains here: its data alone, its model alone, and both together."""
