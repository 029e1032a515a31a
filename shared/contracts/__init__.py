"""What the services promise each other: events, topics, identity rules and policy. Pydantic and the standard library only."""
