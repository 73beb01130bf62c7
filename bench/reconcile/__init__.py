"""A thousand Websites at once: this project's reconciler beside the same on Kopf and on controller-runtime."""
