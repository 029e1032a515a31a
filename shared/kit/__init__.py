"""How services do I/O: the log, the database, HTTP, time. No business word appears here."""
