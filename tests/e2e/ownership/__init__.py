"""Random writes by several managers, to a real kube-apiserver and to this server: answers and objects must be equal."""
