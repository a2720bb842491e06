"""What users allowed clients to do."""
