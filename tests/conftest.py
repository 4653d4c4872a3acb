"""For all tests: how long an example of hypothesis takes, or is thought up, is nobody's fault on a busy machine."""

from hypothesis import HealthCheck, settings

settings.register_profile("steady", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("steady")
