"""The documents that the agent keeps, one pydantic model per dataset."""
