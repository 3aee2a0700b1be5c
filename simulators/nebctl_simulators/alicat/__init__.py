"""A simulated Alicat mass flow controller with its ASCII dialect."""
