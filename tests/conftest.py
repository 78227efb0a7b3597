"""What every test may ask for, and how hypothesis looks for counter-examples."""

import os

from hypothesis import HealthCheck, settings

pytest_plugins = ["tests.servers.fixtures"]

# `make test` must say the same twice: a red run is about the change, not about luck.
settings.register_profile(
    "test",
    derandomize=True,
    max_examples=50,  # a hundred find no more in the same cases, and take twice as long
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
# `make soak` looks where nobody looked before.
settings.register_profile(
    "soak", max_examples=2_000, deadline=None, suppress_health_check=list(HealthCheck)
)
settings.load_profile(os.environ.get("SEATRIAL_HYPOTHESIS", "test"))
