"""How long the property tests take: HYPOTHESIS_PROFILE is dev, default or ci."""

import os

from hypothesis import HealthCheck, settings

for name, examples in {"dev": 50, "default": 200, "ci": 300}.items():
    settings.register_profile(
        name,
        max_examples=examples,
        deadline=None,
        print_blob=True,
        suppress_health_check=[HealthCheck.too_slow],
    )
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))
