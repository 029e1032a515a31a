"""Files of rows: their form and encoding, their columns, and the leads or history each row stands for. Whoever reads files
reads them with this, so that a file means the same everywhere."""
