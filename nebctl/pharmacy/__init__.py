"""The pharmacy: takes records in, checks and countersigns them, and leases doses and kits to units."""
