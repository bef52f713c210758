"""Streams whose inputs are our own streams: what changed in the inputs is computed anew and compared."""
