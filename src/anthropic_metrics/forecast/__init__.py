"""What a period will have cost by its end: from the days before, with a band. Pure."""
