"""A simulated jet nebulizer: gas controller, cut-off relay and cup, behind one Modbus TCP port."""
