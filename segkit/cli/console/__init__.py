"""What a person sees. The only place that knows rich.

Results go to standard output, so that they can be piped; progress, logs and errors go to standard error.
Colour, bars and rules are for terminals alone. User text is never read as markup, and never cut:
whatever may be copied, such as a path, stays in one piece.
"""

from __future__ import annotations

from segkit.cli.console.bench import print_bench
from segkit.cli.console.cache import print_cache
from segkit.cli.console.comparison import print_comparison
from segkit.cli.console.data_check import print_data_check
from segkit.cli.console.export import print_exported
from segkit.cli.console.plugins import print_outcomes, say_new_plugin, say_plugins, warn
from segkit.cli.console.problems import error_panel
from segkit.cli.console.results import print_check, print_json, print_part, print_parts, print_predicted, say
from segkit.cli.console.run_view import RunView
from segkit.cli.console.scores import print_evaluation
from segkit.cli.console.study_view import StudyView

__all__ = [
    "RunView",
    "StudyView",
    "error_panel",
    "print_bench",
    "print_cache",
    "print_check",
    "print_comparison",
    "print_data_check",
    "print_evaluation",
    "print_exported",
    "print_json",
    "print_outcomes",
    "print_part",
    "print_parts",
    "print_predicted",
    "say",
    "say_new_plugin",
    "say_plugins",
    "warn",
]  # fmt: skip
