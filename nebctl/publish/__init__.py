"""MQTT: the only package that speaks to a broker; delivery never waits for it."""
