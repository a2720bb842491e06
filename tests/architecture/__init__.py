"""The house rules: imports, files, and documentation that says what the code does."""
