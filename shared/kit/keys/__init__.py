"""Keys that somebody shows: made once, known by their digests alone, held in memory, handed over and revoked. The same for
whoever sends leads and for whoever works on them; what a key is good for is the service's own."""
