"""Reports without a database: their words, figures, days and drawings."""
