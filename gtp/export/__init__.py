"""A policy for programs that have no torch: one ONNX graph, its check against the policy, its card."""
