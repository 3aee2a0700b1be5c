"""What lies between devices and host: the time that bytes take, and several devices on one pair of wires."""
