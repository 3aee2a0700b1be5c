"""A simulated jet nebulizer: gas controller, cut-off relay and cup, as two units on a Modbus line."""
