"""The browser that the tests and `scripts/look` open a page in."""
