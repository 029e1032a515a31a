"""What the faults are injected into and judged by: a world under load, a ledger outside of it, and a plan drawn from a seed."""
