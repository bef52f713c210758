"""The vendor's own traces: how spans are read, and the state of the destinations they are sent to."""
