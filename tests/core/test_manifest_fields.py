# SPDX-License-Identifier: Apache-2.0
"""Every field of a v1.Pod that Kubernetes 1.36 knows is built, refused by name, or dropped as the server's."""

import pytest

from podwright.manifest import check
from podwright.manifest.unbuilt import REFUSED, SERVER_SET

# From k8s.io/api/core/v1 and k8s.io/apimachinery/pkg/apis/meta/v1, version 0.36.3.
KUBERNETES = {
    "Pod": "apiVersion kind metadata spec status",
    "ObjectMeta": (
        "name generateName namespace selfLink uid resourceVersion generation creationTimestamp deletionTimestamp "
        "deletionGracePeriodSeconds labels annotations ownerReferences finalizers managedFields"
    ),
    "PodSpec": (
        "volumes initContainers containers ephemeralContainers restartPolicy terminationGracePeriodSeconds "
        "activeDeadlineSeconds dnsPolicy nodeSelector serviceAccountName serviceAccount automountServiceAccountToken "
        "nodeName hostNetwork hostPID hostIPC shareProcessNamespace securityContext imagePullSecrets hostname "
        "subdomain affinity schedulerName tolerations hostAliases priorityClassName priority dnsConfig readinessGates "
        "runtimeClassName enableServiceLinks preemptionPolicy overhead topologySpreadConstraints setHostnameAsFQDN os "
        "hostUsers schedulingGates resourceClaims resources hostnameOverride workloadRef schedulingGroup"
    ),
    "Container": (
        "name image command args workingDir ports envFrom env resources resizePolicy restartPolicy restartPolicyRules "
        "volumeMounts volumeDevices livenessProbe readinessProbe startupProbe lifecycle terminationMessagePath "
        "terminationMessagePolicy imagePullPolicy securityContext stdin stdinOnce tty"
    ),
    "RestartRule": "action exitCodes",
    "ExitCodes": "operator values",
    "PodReadinessGate": "conditionType",
    "ExecAction": "command",
    "GRPCAction": "port service",
    "SleepAction": "seconds",
    "LifecycleHandler": "exec httpGet tcpSocket sleep",
    "Lifecycle": "postStart preStop stopSignal",
    "Probe": (
        "exec httpGet tcpSocket grpc initialDelaySeconds timeoutSeconds periodSeconds successThreshold "
        "failureThreshold terminationGracePeriodSeconds"
    ),
    "HTTPGetAction": "path port host scheme httpHeaders",
    "HTTPHeader": "name value",
    "TCPSocketAction": "port host",
    "ContainerPort": "name hostPort containerPort protocol hostIP",
    "EnvVar": "name value valueFrom",
    "EnvVarSource": "fieldRef resourceFieldRef configMapKeyRef secretKeyRef fileKeyRef",
    "ObjectFieldSelector": "apiVersion fieldPath",
    "ResourceFieldSelector": "containerName resource divisor",
    "ConfigMapKeySelector": "name key optional",
    "SecretKeySelector": "name key optional",
    "KeyToPath": "key path mode",
    "ConfigMapVolumeSource": "name items defaultMode optional",
    "SecretVolumeSource": "secretName items defaultMode optional",
    "DownwardAPIVolumeSource": "items defaultMode",
    "DownwardAPIVolumeFile": "path fieldRef resourceFieldRef mode",
    "PersistentVolumeClaimSource": "claimName readOnly",
    "ProjectedVolumeSource": "sources defaultMode",
    "VolumeProjection": "secret downwardAPI configMap serviceAccountToken clusterTrustBundle podCertificate",
    "ConfigMapProjection": "name items optional",
    "SecretProjection": "name items optional",
    "DownwardAPIProjection": "items",
    "EnvFromSource": "prefix configMapRef secretRef",
    "ConfigMapEnvSource": "name optional",
    "SecretEnvSource": "name optional",
    "ResourceRequirements": "limits requests claims",
    "ContainerResizePolicy": "resourceName restartPolicy",
    "SecurityContext": (
        "capabilities privileged seLinuxOptions windowsOptions runAsUser runAsGroup runAsNonRoot "
        "readOnlyRootFilesystem allowPrivilegeEscalation procMount seccompProfile appArmorProfile"
    ),
    "PodSecurityContext": (
        "seLinuxOptions windowsOptions runAsUser runAsGroup runAsNonRoot supplementalGroups supplementalGroupsPolicy "
        "fsGroup sysctls fsGroupChangePolicy seccompProfile appArmorProfile seLinuxChangePolicy"
    ),
    "Sysctl": "name value",
    "Capabilities": "add drop",
    "SeccompProfile": "type localhostProfile",
    "Volume": (
        "name hostPath emptyDir gcePersistentDisk awsElasticBlockStore gitRepo secret nfs iscsi glusterfs "
        "persistentVolumeClaim rbd flexVolume cinder cephfs flocker downwardAPI fc azureFile configMap vsphereVolume "
        "quobyte azureDisk photonPersistentDisk projected portworxVolume scaleIO storageos csi ephemeral image"
    ),
    "HostPathVolume": "path type",
    "ImageVolume": "reference pullPolicy",
    "EmptyDirVolume": "medium sizeLimit",
    "VolumeMount": "name readOnly recursiveReadOnly mountPath subPath mountPropagation subPathExpr",
    "HostAlias": "ip hostnames",
    "LocalObjectReference": "name",
    "PodOS": "name",
    "Toleration": "key operator value effect tolerationSeconds",
    "Affinity": "nodeAffinity podAffinity podAntiAffinity",
    "NodeAffinity": "requiredDuringSchedulingIgnoredDuringExecution preferredDuringSchedulingIgnoredDuringExecution",
    "PodAffinity": "requiredDuringSchedulingIgnoredDuringExecution preferredDuringSchedulingIgnoredDuringExecution",
    "PreferredSchedulingTerm": "weight preference",
    "NodeSelectorTerm": "matchExpressions matchFields",
    "NodeSelectorRequirement": "key operator values",
    "WeightedPodAffinityTerm": "weight podAffinityTerm",
    "PodAffinityTerm": ("labelSelector namespaces topologyKey namespaceSelector matchLabelKeys mismatchLabelKeys"),
    "LabelSelector": "matchLabels matchExpressions",
    "LabelSelectorRequirement": "key operator values",
    "TopologySpreadConstraint": (
        "maxSkew topologyKey whenUnsatisfiable labelSelector minDomains nodeAffinityPolicy nodeTaintsPolicy "
        "matchLabelKeys"
    ),
}


# Not Kubernetes': its container, with what of a Pod one container needs.
KUBERNETES["LoneContainer"] = " ".join(
    [
        *(name for name in KUBERNETES["Container"].split()),
        *("kind", "namespace", "labels", "annotations", "state", "rootfs", "volumes", "terminationGracePeriodSeconds"),
        "runtimeClassName",
    ]
)


def built(kind: str) -> set[str]:
    node = check.schema() if kind == "Pod" else check.schema()["$defs"][kind]
    return set(node["properties"])


def test_every_kind_is_in_the_table() -> None:
    assert {"Pod", *check.schema()["$defs"]} == set(KUBERNETES)
    assert set(REFUSED) | set(SERVER_SET) <= set(KUBERNETES)


@pytest.mark.parametrize("kind", KUBERNETES)
def test_every_field_is_known_once(kind: str) -> None:
    parts = [built(kind), set(REFUSED.get(kind, ())), set(SERVER_SET.get(kind, ()))]
    assert set().union(*parts) == set(KUBERNETES[kind].split())
    assert sum(len(part) for part in parts) == len(KUBERNETES[kind].split()), "a field is in two places"
