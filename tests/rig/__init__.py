"""A real Home Assistant on 127.0.0.1, for the demo and the end-to-end tests."""
