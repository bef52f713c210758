"""Measurements that compare the agent with the least it could cost: `scripts/bench`, docs/performance.md."""
