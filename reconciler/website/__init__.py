"""The Website controller: a Deployment (nginx and git-sync on one volume) and a NodePort Service for each Website.

`children` says what must exist, `status` what to say of it, both pure; `loop` does it.
"""

from apiserver.kinds.website import KIND
from reconciler.controller import Registration
from reconciler.website.loop import build

CONTROLLER = Registration("website", KIND, build)
