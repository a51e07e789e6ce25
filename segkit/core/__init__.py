"""Words every room speaks: errors, types, events, registries, plugins, paths."""
