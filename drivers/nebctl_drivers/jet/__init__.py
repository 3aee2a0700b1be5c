"""A jet nebulizer: gas controller and cut-off relay behind one port, as one device."""
