"""What only tests use: samples, doubles and worlds."""
