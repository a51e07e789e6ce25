"""Plugin loading: files, and entry points of installed packages.

Loading a plugin executes its code.
"""

from segkit.core.plugins.entry_points import (
    broken_plugins,
    find,
    installed_plugins_hidden_by,
    load_installed,
    skip_installed,
)
from segkit.core.plugins.loading import (
    imported_plugins,
    load_plugin,
    load_plugins_here,
    loaded_plugins,
)
from segkit.core.plugins.plugin import Door, Plugin, source_digest

__all__ = [
    "Door", "Plugin", "broken_plugins", "find", "imported_plugins", "installed_plugins_hidden_by",
    "load_installed", "load_plugin", "load_plugins_here", "loaded_plugins", "skip_installed", "source_digest",
]  # fmt: skip
