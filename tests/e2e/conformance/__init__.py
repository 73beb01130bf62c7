"""The same requests to kube-apiserver, which serves the kind as a custom resource, and to this server.

Adding a case: write it in the module of `cases/` that it belongs to (a new module is found by itself), record
kube-apiserver's answers with `make golden CASES=module/name` (a module's name, or none for all of them), read what was
recorded and commit both. What this server may answer otherwise goes into `differences.py`, with its reason
(then `python -m tests.e2e.conformance.documentation`).
"""
