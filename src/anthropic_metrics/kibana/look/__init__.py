"""Dashboards without Kibana: every panel drawn from its own query, on one page that needs nothing else."""
