"""How a server starts trainings: choosing a launcher, and Kubernetes Jobs.

The launcher of child processes is in `shared.retraining`, since a worker uses it, too.
"""

from typing import TYPE_CHECKING

import lazy_loader

if TYPE_CHECKING:
    from inference.launchers.choose import choose_launcher
    from inference.launchers.kubernetes import KubernetesLauncher
    from inference.launchers.kubernetes_api import Cluster, ClusterApi

__all__ = ["Cluster", "ClusterApi", "KubernetesLauncher", "choose_launcher"]
# imported at first use: they need urllib3
__getattr__, __dir__, _ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "choose": ["choose_launcher"],
        "kubernetes": ["KubernetesLauncher"],
        "kubernetes_api": ["Cluster", "ClusterApi"],
    },
)
