"""Nets that state laws: their layers, teachers, training, certificates and files."""
