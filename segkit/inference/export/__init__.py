"""Export of trained models: ONNX, pt2, Hugging Face hub. Reading ONNX files is in `segkit.inference.onnx`."""
