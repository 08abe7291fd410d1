"""Gateways: what a model is told, may look up and may do when it is asked by one name."""
