"""The tests. `make test` runs them with PostgreSQL and Redis beside them; see CONTRIBUTING.md."""
