"""The values of the setting ``pod-network-mode``."""

AUTO, ROUTES, VXLAN, OFF = "auto", "routes", "vxlan", "off"
MODES = (AUTO, ROUTES, VXLAN, OFF)
