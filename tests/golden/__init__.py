"""Wire formats as committed files."""
