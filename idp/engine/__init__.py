"""Floor 4: what happens between a request and its answer, without HTTP: Interactions, tokens, logout."""
