"""Finished runs, scored again: on other images, at images' own sizes, together; and what that is worth."""
