"""Names that more than one module needs."""

from typing import Final

DOMAIN: Final = "flatpeak"

CONF_ACCOUNT_ID: Final = "account_id"
CONF_ADVANCED: Final = "advanced"
CONF_BASE_URL: Final = "base_url"
CONF_LOCATION_ID: Final = "location_id"

CONF_IMPORT_METERS: Final = "import_meters"
CONF_EXPORT_METERS: Final = "export_meters"
CONF_DEVICE_METERS: Final = "device_meters"

SUBENTRY_METER: Final = "meter"
CONF_SOURCE: Final = "source"
CONF_SOURCE_REGISTRY_ID: Final = "source_registry_id"
CONF_DIRECTION: Final = "direction"
CONF_KIND: Final = "kind"
CONF_REPORTING: Final = "reporting"
CONF_MAX_POWER: Final = "max_power"
CONF_METER_KEY: Final = "meter_key"

KIND_GRID: Final = "grid"
KIND_DEVICE: Final = "device"
DIRECTION_IMPORT: Final = "import"
DIRECTION_EXPORT: Final = "export"

CONF_WINDOW: Final = "window"
CONF_INCLUDE_CARBON: Final = "include_carbon"
WINDOWS: Final = (5, 15, 30, 60)  # minutes
WINDOW_DYNAMIC: Final = 15
WINDOW_DEFAULT: Final = 30
