"""A simulated 9C main board: a mesh nebulizer's controller with binary frames."""
