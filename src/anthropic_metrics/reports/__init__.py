"""From the Admin API's reports to documents: what to read now, what should exist, and keeping it true."""
