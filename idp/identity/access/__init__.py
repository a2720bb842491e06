"""What users may do: roles and scopes."""
