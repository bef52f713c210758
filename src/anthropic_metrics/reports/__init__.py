"""From the Admin API's bucketed reports to documents: what should exist, and keeping it true."""
