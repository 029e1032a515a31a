"""Whatever is sent to capture, by whomever: it is answered in time and never by a fault of ours, and nothing that was accepted
is lost. A few inputs in every run, and with `make fuzz` more than ten thousand."""
