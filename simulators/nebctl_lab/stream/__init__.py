"""The stream between real processes: units, broker and pharmacy, killed again and again, and what must then be true."""
