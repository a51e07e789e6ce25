"""Terminal output; the only package that imports rich.

Results go to standard output; progress, logs and errors go to standard error. Colours, bars and rules are
printed on terminals only. User text is never interpreted as markup and never truncated.
"""

from __future__ import annotations

from segkit.cli.console.bench import print_bench
from segkit.cli.console.cache import print_cache
from segkit.cli.console.comparison import print_comparison
from segkit.cli.console.cross_validation import print_cross_validation
from segkit.cli.console.data_check import print_data_check
from segkit.cli.console.doctor import print_findings
from segkit.cli.console.export import print_exported
from segkit.cli.console.plan import print_plan
from segkit.cli.console.plugins import print_new_plugin, print_outcomes, print_plugins
from segkit.cli.console.problems import print_error, print_problems
from segkit.cli.console.results import (
    print_check,
    print_class_numbers,
    print_json,
    print_line,
    print_part,
    print_parts,
    print_postprocess,
    print_predicted,
    print_recipes,
    print_without_foreground,
)
from segkit.cli.console.run_view import RunView
from segkit.cli.console.scores import print_evaluation
from segkit.cli.console.study_view import StudyView
from segkit.cli.console.tune_view import TuneView, print_tuning

__all__ = [
    "RunView",
    "StudyView",
    "TuneView",
    "print_bench",
    "print_cache",
    "print_check",
    "print_class_numbers",
    "print_comparison",
    "print_cross_validation",
    "print_data_check",
    "print_error",
    "print_evaluation",
    "print_exported",
    "print_findings",
    "print_json",
    "print_line",
    "print_new_plugin",
    "print_outcomes",
    "print_part",
    "print_parts",
    "print_plan",
    "print_plugins",
    "print_postprocess",
    "print_predicted",
    "print_problems",
    "print_recipes",
    "print_tuning",
    "print_without_foreground",
]  # fmt: skip
