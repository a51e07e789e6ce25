"""Files for a paper: tables, figures, methods section, references, commands."""
