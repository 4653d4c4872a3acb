"""Who may do what: RBAC. ``rules`` says what rules mean, ``grants`` who holds which, ``authorizer`` answers,
``policy`` is what every cluster begins with, ``reconciling`` puts it there, ``escalation`` keeps people from granting
more than they hold."""
