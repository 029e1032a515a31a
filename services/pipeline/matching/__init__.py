"""Finding people who are probably one: the work behind the rules of `domain.matching`."""
