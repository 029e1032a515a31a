"""What is measured, one module a subject. Each part brings up what it needs and answers with its lines of the table."""
