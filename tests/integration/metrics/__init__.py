"""Counting on a real PostgreSQL."""
