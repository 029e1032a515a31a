"""A Kafka cluster that fails on demand: librdkafka's mock cluster, and what a scenario on it needs."""
