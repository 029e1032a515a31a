"""Who is probably the same person as whom, beyond exact identities: blocked, compared, weighed, explained."""
