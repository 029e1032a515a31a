"""Unit and contract tests take seconds; integration runs against a real broker and a real PostgreSQL."""
