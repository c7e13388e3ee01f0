"""Home Assistant is killed again and again over a day; then the books are audited."""

# First of all that is Home Assistant's: it prepares the modules for a stopped clock.
import pytest_homeassistant_custom_component.plugins  # noqa: F401
