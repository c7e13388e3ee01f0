"""Names of the demo house."""

DOMAIN = "demo_house"
