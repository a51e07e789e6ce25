"""Coverage-guided fuzzing of the recipe loader: anything but a recipe or a placed refusal ends it.

python tests/fuzzing/fuzz_recipes.py --corpus corpus/recipes --seconds 600
"""

from __future__ import annotations

import os
import random
import tempfile
from pathlib import Path
from unittest.mock import patch

import atheris

with atheris.instrument_imports(include=["segkit", "yaml"], enable_loader_override=False):
    from coverage_guided import fuzz
    from mutate_recipes import is_placed
    from recipe_mutations import Case, mutated, shipped

    from segkit.core.errors import SegkitError
    from segkit.core.plugins import loading as load
    from segkit.recipe import dump_recipe, load_dumped, load_recipe


def mutate(data: bytes, seed: int) -> bytes:
    """As `mutate_recipes.py` does."""
    return mutated(data.decode("utf-8", "replace"), random.Random(seed))


def main() -> None:
    """Fuzz."""
    # A mutated path may lead to anybody's code, which is not run.
    with tempfile.TemporaryDirectory() as folder, patch.object(load, "_import"):
        os.environ["SEGKIT_HOME"] = f"{folder}/home"
        path = Case(b"").write(Path(folder, "case"))

        def one(data: bytes) -> None:
            path.write_bytes(data)
            try:
                recipe = load_recipe(path)
            except SegkitError as error:
                assert all(map(is_placed, error.problems)), str(error)
                return
            dumped = dump_recipe(recipe)
            assert dump_recipe(load_dumped(dumped)) == dumped

        seeds = [text.encode() for text in shipped()]
        fuzz(one, mutate, seeds, about=__doc__, most_bytes=4096)


if __name__ == "__main__":
    main()
