"""How well the learner does on real leads, through the same code that learns in the service. `make evaluate` does it in
full, a test in small."""
