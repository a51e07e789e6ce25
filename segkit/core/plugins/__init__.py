"""Loading parts: segkit's own and the user's, all on the same road. Importing segkit registers nothing.

The doors: segkit's own modules; files and folders that a recipe or `--plugins` names; the folder `plugins/`
of the working directory; and the entry points of installed packages. Plugin code is code: loading it runs it.
"""

from segkit.core.plugins.entry_points import broken_plugins, find, leave_installed_out, load_installed
from segkit.core.plugins.loading import (
    load_builtins,
    load_plugin,
    load_plugins_here,
    loaded_plugins,
    silent_plugins,
)
from segkit.core.plugins.plugin import Door, Plugin, source_digest

__all__ = [
    "Door", "Plugin", "broken_plugins", "find", "leave_installed_out", "load_builtins",
    "load_installed", "load_plugin", "load_plugins_here", "loaded_plugins", "silent_plugins", "source_digest",
]  # fmt: skip
