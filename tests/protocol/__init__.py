"""One file a specification, spoken over HTTP."""
