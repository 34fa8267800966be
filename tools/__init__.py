"""Developer tooling: what `make` calls. Standard library only, so that it runs before any venv exists."""
