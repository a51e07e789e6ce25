"""A run's model becomes a file for others: written, opened again, compared on its images, and described.

What torch cannot do without is imported here alone; what reads an ONNX file lies in `segkit.inference.onnx`.
"""
