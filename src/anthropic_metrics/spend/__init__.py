"""What every hour of every key costs: allocation of the bill, estimates until there is one, and teams."""
