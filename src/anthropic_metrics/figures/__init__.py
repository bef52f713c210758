"""The organization's figures in /metrics."""
