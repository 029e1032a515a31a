"""The rules of counting: pure functions from facts to entries, rollups and answers."""
