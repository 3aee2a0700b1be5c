"""What puts the whole system on one machine: virtual time, the embedded broker, the demonstration."""
