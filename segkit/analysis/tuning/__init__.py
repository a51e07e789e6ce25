"""Result of a search: page, tables, best recipe."""
