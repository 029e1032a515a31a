"""Learning the model: rows with outcomes in, tables of log-odds out. Never imported by the serving process, so that the
libraries it needs are loaded only where something is learned."""
