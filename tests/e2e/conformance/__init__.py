"""The same requests to a real kube-apiserver, which serves the kind as a custom resource, and to this server."""
