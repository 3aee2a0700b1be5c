"""`nebctl bench dose`: how true the estimate of the emitted volume is, on traces whose truth is known."""
