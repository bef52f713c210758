"""Alert rules: what they ask, how they are run as Kibana runs them, and the ways to be notified."""
