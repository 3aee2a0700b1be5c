"""A simulated MT-SICS balance."""
