"""A recipe, run: assembled, trained, recorded, resumed, compared."""
