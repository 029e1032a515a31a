"""The embedded run: PostgreSQL and a Kafka-protocol broker from wheels, and the four services, on one machine."""
