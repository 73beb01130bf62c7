"""The children of a Website, as they must be. Pure.

They are found by their name and belong to the Website by a controller ownerReference. Whatever a Pod needs beyond its
images is said here: nginx' configuration comes in a variable, since there is no third object to hold it.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from apiserver.kinds.website import KIND, child_name
from apiserver.machinery.errors import Object
from apiserver.settings import Settings
from reconciler.ownership import reference_to

MANAGER = "website-controller"
MANAGED = {"app.kubernetes.io/managed-by": MANAGER}
_GROUP = 65533  # git-sync's, in its image
_CONTENT = "/content"
_CHECKOUT = f"{_CONTENT}/current"
_TMP = "/tmp"  # noqa: S108 - a path in containers with a volume of their own there
_NGINX_CONF = f"""\
pid {_TMP}/nginx.pid;
error_log stderr warn;
events {{}}
http {{
  include /etc/nginx/mime.types;
  default_type application/octet-stream;
  access_log /dev/stdout;
  server_tokens off;
  sendfile on;
  client_body_temp_path {_TMP}/client;
  proxy_temp_path {_TMP}/proxy;
  fastcgi_temp_path {_TMP}/fastcgi;
  uwsgi_temp_path {_TMP}/uwsgi;
  scgi_temp_path {_TMP}/scgi;
  server {{
    listen 8080;
    listen [::]:8080;
    root {_CHECKOUT};
    absolute_redirect off;
    disable_symlinks if_not_owner from=$document_root;
    location ~ /\\.git(/|$) {{ return 404; }}
  }}
  server {{
    listen 8082;
    listen [::]:8082;
    access_log off;
    location = /livez {{ return 200; }}
    location = /readyz {{
      if (!-d {_CHECKOUT}/) {{ return 503; }}
      return 200;
    }}
  }}
}}
"""
"""Port 8080: the checkout, without what git keeps in it and without links that lead out of it. Port 8082: probes, which
are not to take a path away from the content."""
_NGINX = f"""\
[ -e /proc/net/if_inet6 ] && unused='^$' || unused='listen \\[::\\]'
printf '%s' "$NGINX_CONF" | grep -v "$unused" > {_TMP}/nginx.conf
exec nginx -e stderr -c {_TMP}/nginx.conf -g 'daemon off;'"""
"""On a node without IPv6, listening on it is an error."""


@dataclass(frozen=True, slots=True)
class Container:
    """What an operator may choose of a container: `requests` and `limits` are resource names with quantities."""

    image: str
    requests: Mapping[str, str]
    limits: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Options:
    """What an operator may choose of the Pods; `period` is in seconds."""

    nginx: Container
    git_sync: Container
    period: float


def options(settings: Settings) -> Options:
    nginx = Container(settings.nginx_image, settings.nginx_requests, settings.nginx_limits)
    git_sync = Container(settings.git_sync_image, settings.git_sync_requests, settings.git_sync_limits)
    return Options(nginx, git_sync, settings.git_sync_period)


def selector(website: Object) -> dict[str, str]:
    """Selects a Website's Pods. Never changes: a Deployment's selector cannot."""
    return {"app.kubernetes.io/instance": website["metadata"]["name"], "app.kubernetes.io/name": "website"}


def labels(website: Object) -> dict[str, str]:
    """Of the children and the Pods."""
    return {**selector(website), **MANAGED, "app.kubernetes.io/component": "web-server"}


def _metadata(website: Object) -> Object:
    meta = website["metadata"]
    return {
        "name": child_name(meta["name"]),
        "namespace": meta["namespace"],
        "labels": labels(website),
        "ownerReferences": [reference_to(website, KIND)],
    }


def desired_deployment(website: Object, chosen: Options) -> Object:
    """What a Website's Deployment must contain; other fields are left to their defaults and other owners."""
    pod = {
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "securityContext": {
            "runAsNonRoot": True,
            "fsGroup": _GROUP,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [_nginx(chosen.nginx), _git_sync(chosen.git_sync, website["spec"], chosen.period)],
        "volumes": [{"name": name, "emptyDir": {}} for name in ("content", "nginx-tmp", "git-sync-tmp")],
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": _metadata(website),
        "spec": {
            "replicas": website["spec"]["replicas"],
            "selector": {"matchLabels": selector(website)},
            "template": {"metadata": {"labels": labels(website)}, "spec": pod},
        },
    }


def _nginx(chosen: Container) -> Object:
    """Serves the checkout. Ready when there is one."""
    return {
        "name": "nginx",
        **_common(chosen, {"http": 8080, "health": 8082}),
        "command": ["/bin/sh", "-ec", _NGINX],
        "env": [{"name": "NGINX_CONF", "value": _NGINX_CONF.replace("$", "$$")}],
        "readinessProbe": {"httpGet": {"path": "/readyz", "port": "health"}, "periodSeconds": 5},
        "livenessProbe": {"httpGet": {"path": "/livez", "port": "health"}, "periodSeconds": 10},
        "volumeMounts": [
            {"name": "content", "mountPath": _CONTENT, "readOnly": True},
            {"name": "nginx-tmp", "mountPath": _TMP},
        ],
    }


def _git_sync(chosen: Container, spec: Object, period: float) -> Object:
    """Checks the repository out and follows it, for ever: content stays available while a repository is not.

    Its endpoint answers 503 until the first checkout is there, so only readiness asks it; a first clone may take long.
    """
    # The kubelet expands $(NAME) in arguments; $$ is a plain $.
    arguments = {"repo": spec["gitRepo"].replace("$", "$$")}
    if branch := spec.get("branch"):
        # git, which git-sync gives it to as it is, takes what begins with a dash for an option.
        ref = f"refs/heads/{branch}" if branch.startswith("-") else branch
        arguments["ref"] = ref.replace("$", "$$")
    arguments |= {"root": _CONTENT, "link": "current", "period": _duration(period), "depth": "1"}
    arguments |= {"max-failures": "-1", "http-bind": ":8081"}
    return {
        "name": "git-sync",
        **_common(chosen, {"sync": 8081}),
        "args": [f"--{name}={value}" for name, value in arguments.items()],
        "readinessProbe": {"httpGet": {"path": "/", "port": "sync"}, "periodSeconds": 5},
        "livenessProbe": {"tcpSocket": {"port": "sync"}, "periodSeconds": 10},
        "volumeMounts": [
            {"name": "content", "mountPath": _CONTENT},
            {"name": "git-sync-tmp", "mountPath": _TMP},
        ],
    }


def _duration(seconds: float) -> str:
    """As Go reads it, which knows no exponents."""
    return f"{seconds:f}".rstrip("0").rstrip(".") + "s"


def _common(chosen: Container, ports: Mapping[str, int]) -> Object:
    """With what Pod Security Standards' profile "restricted" asks of a container, and a read-only root on top."""
    return {
        "image": chosen.image,
        "ports": [{"name": name, "containerPort": port, "protocol": "TCP"} for name, port in ports.items()],
        # An empty map would not be kept, and so be missing for ever.
        "resources": {k: dict(v) for k, v in (("requests", chosen.requests), ("limits", chosen.limits)) if v},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "readOnlyRootFilesystem": True,
        },
    }


def desired_service(website: Object) -> Object:
    """What a Website's Service must contain; the cluster chooses the node port."""
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": _metadata(website),
        "spec": {
            "type": "NodePort",
            "selector": selector(website),
            "ports": [{"name": "http", "port": 80, "protocol": "TCP", "targetPort": "http"}],
        },
    }
