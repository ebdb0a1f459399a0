"""The projected master equation: windows, products, integration, and what follows from them."""
