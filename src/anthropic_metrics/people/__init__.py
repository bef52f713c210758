"""What each person used, cost and did with Claude Code, by the day; off unless it is asked for."""
