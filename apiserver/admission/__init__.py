"""Admission: what may speak against a write after it was authorized and before it is stored."""
