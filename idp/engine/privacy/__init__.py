"""What is held about people: one map of it, and what follows from the map: copies, erasure, and the record."""
