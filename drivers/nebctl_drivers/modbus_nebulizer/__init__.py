"""A nebulizer with a Modbus register map, driven by its profile."""
