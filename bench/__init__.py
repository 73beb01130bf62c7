"""The measuring instrument: this server, kube-apiserver and sample-apiserver side by side. `make bench`."""
