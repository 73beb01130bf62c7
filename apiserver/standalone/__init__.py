"""Serving without a cluster: certificates, a kubeconfig, the host kinds, and what a controller manager would do."""
