"""The general model: one net for networks that it has never seen."""
