"""Files of rows, whoever reads them: their form and encoding, their columns, and the leads or history each row stands for.
Both the command line and capture's uploads read files with this, so that a file means the same either way."""
