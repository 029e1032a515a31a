"""Pipeline's rules: what a lead is after what happened to it, and what may happen next. No I/O, no clock, no framework."""
