# SPDX-License-Identifier: Apache-2.0
"""What ``generate.py`` changes in its Pod: fields of v1.Pod by noun, and the values that each is given in turn.

Most fields get what every field of their type may be given by mistake, and what is at the edge of being right.
"""

from field_values import Field, choice, flag, given, mapping, number, text, things

ABSENT = object()
"""The value of a field that is to be taken away."""
BASE = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "web"},
    "spec": {"containers": [{"name": "server", "image": "httpd"}]},
}
"""The Pod in which one field is changed."""
VOLUMES = [{"name": "data"}]
"""What it has beside that where the field is about volumes."""

LONG = "a" * 63
ADDRESSES = ("fe80::1", "::ffff:10.0.0.1", "010.000.0.1", "host", "10.1", "fe80::1%eth0", "")
C = "spec.containers[0]"
V = "spec.volumes[0]"
PROBE = {"exec": {"command": ["true"]}}
GROUP = [{"weight": 1, "preference": {"matchExpressions": [{"key": "a", "operator": "Exists"}]}}]
TERM = {"topologyKey": "zone", "labelSelector": {"matchLabels": {"a": "b"}}}
SPREAD = {"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "ScheduleAnyway"}

NOUNS: dict[str, list[Field]] = {
    "metadata": [
        Field("apiVersion", {"absent": ABSENT, "v2": "v2", "a group": "apps/v1", "null": None}),
        Field("kind", {"absent": ABSENT, "lower case": "pod", "another kind": "Deployment", "null": None}),
        Field("metadata", {"absent": ABSENT, "null": None, "a list": [], "empty": {}}),
        Field("metadata.name", text(LONG, f"{LONG}a", "a.b", "A", "a_b", "-a", "a-", "a..b", "0", absent=ABSENT)),
        Field("metadata.name", {"253 letters": "a" * 253, "254 letters": "a" * 254, "of another script": "пример"}),
        Field("metadata.namespace", text("team-a", "a.b", "Team", f"{LONG}a")),
        Field("metadata.labels", mapping(number={"a": 1}, of_null={"a": None}, of_true={"a": True}, key={"-a": "b"})),
        Field("metadata.labels", {"long value": {"a": LONG}, "too long value": {"a": f"{LONG}a"}, "odd": {"a": "b c"}}),
        Field(
            "metadata.labels", {"prefix": {"x.org/a": "b"}, "bad prefix": {"X/a": "b"}, "two slashes": {"a/b/c": ""}}
        ),
        Field("metadata.annotations", mapping({"a": "b c\n"}, {"X.org/a": "b"}, {"a b": "c"}, of_number={"a": 1})),
        Field("metadata.generateName", given("web-")),
        Field("metadata.finalizers", given(["example.org/a"], ["a b"])),
        Field("metadata.uid", given("11f2c9a4-1f4e-4ea0-9a0e-4bfbf2b2ce2c")),
        Field("metadata.resourceVersion", given("12")),
        Field("metadata.generation", given(3)),
        Field("metadata.creationTimestamp", {"a time": "2026-01-02T03:04:05Z", "no time": "soon", "null": None}),
        Field("metadata.deletionTimestamp", given("2026-01-02T03:04:05Z")),
        Field("metadata.deletionGracePeriodSeconds", given(5)),
        Field("metadata.selfLink", given("/api/v1/namespaces/default/pods/web")),
        Field("metadata.managedFields", {"one": [{"manager": "kubectl", "operation": "Update", "apiVersion": "v1"}]}),
        Field("metadata.ownerReferences", {"one": [{"apiVersion": "v1", "kind": "Node", "name": "a", "uid": "b"}]}),
        Field("metadata.ownerReferences", {"of nothing": [{}]}),
        Field("status", mapping({"phase": "Running"}, unknown={"color": "red"})),
        Field("spec", {"absent": ABSENT, "null": None, "empty": {}, "a list": []}),
    ],
    "pod": [
        Field("spec.restartPolicy", choice("Always", "OnFailure", "Never")),
        Field("spec.terminationGracePeriodSeconds", number(1, 300, 301, 2**31)),
        Field("spec.hostname", text("db-0", "a.b", "A", LONG, f"{LONG}a")),
        Field("spec.hostAliases", things([{"ip": "10.0.0.1", "hostnames": ["a", "b.c"]}])),
        Field("spec.hostAliases", {f"of {ip}": [{"ip": ip, "hostnames": ["a"]}] for ip in ADDRESSES}),
        Field("spec.hostAliases", {"upper case": [{"ip": "10.0.0.1", "hostnames": ["A"]}], "no name": [{"ip": "::1"}]}),
        Field("spec.dnsPolicy", choice("Default", "ClusterFirst", "ClusterFirstWithHostNet", "None")),
        Field("spec.dnsConfig", given({"nameservers": ["10.0.0.1"]})),
        Field("spec.runtimeClassName", text("pod-containers", "Pod", "a_b")),
        Field("spec.os", {"null": None, "empty": {}, "linux": {"name": "linux"}, "windows": {"name": "windows"}}),
        Field("spec.os", {"in upper case": {"name": "Linux"}}),
        Field("spec.imagePullSecrets", things([{"name": "registry"}], [{"name": "Registry"}], [{}])),
        Field("spec.activeDeadlineSeconds", given(1, 0, 60)),
        Field("spec.subdomain", given("", "db")),
        Field("spec.setHostnameAsFQDN", given(True, False)),
        Field("spec.hostnameOverride", given("db.example.org")),
        Field("spec.hostNetwork", given(True, False)),
        Field("spec.hostPID", given(True, False)),
        Field("spec.hostIPC", given(True, False)),
        Field("spec.hostUsers", given(True, False)),
        Field("spec.shareProcessNamespace", given(True, False)),
        Field("spec.readinessGates", given([], [{"conditionType": "example.org/ready"}])),
        Field("spec.resources", given({}, {"limits": {"cpu": "1"}})),
        Field("spec.initContainers", given([], [{"name": "first", "image": "a"}])),
        Field("spec.ephemeralContainers", given([], [{"name": "debug", "image": "a"}])),
    ],
    "scheduling": [
        Field("spec.nodeSelector", given({}, {"disk": "ssd"})),
        Field("spec.nodeName", given("", "node-1")),
        Field("spec.tolerations", things([{"key": "a"}], [{}], [{"operator": "Exists"}], [{"key": "a b"}])),
        Field("spec.tolerations", {"odd operator": [{"key": "a", "operator": "Near"}]}),
        Field("spec.tolerations", {"odd effect": [{"key": "a", "operator": "Exists", "effect": "Maybe"}]}),
        Field("spec.tolerations", {"seconds": [{"key": "a", "effect": "NoExecute", "tolerationSeconds": 5}]}),
        Field("spec.affinity", mapping({"nodeAffinity": {}})),
        Field("spec.affinity.nodeAffinity.preferredDuringSchedulingIgnoredDuringExecution", given(GROUP, [{}])),
        Field(
            "spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution",
            given({"nodeSelectorTerms": [{"matchExpressions": [{"key": "a", "operator": "Exists"}]}]}),
        ),
        Field("spec.affinity.podAffinity.requiredDuringSchedulingIgnoredDuringExecution", given([TERM])),
        Field(
            "spec.affinity.podAntiAffinity.preferredDuringSchedulingIgnoredDuringExecution",
            given([{"weight": 100, "podAffinityTerm": TERM}], [{"weight": 101, "podAffinityTerm": TERM}]),
        ),
        Field("spec.topologySpreadConstraints", given([], [SPREAD], [{**SPREAD, "maxSkew": 0}], [{"color": "red"}])),
        Field("spec.schedulerName", text("mine")),
        Field("spec.priority", number()),
        Field("spec.priorityClassName", text("system-node-critical", "mine", "A_b")),
        Field("spec.preemptionPolicy", choice("PreemptLowerPriority", "Never")),
        Field("spec.overhead", mapping({"cpu": "10m"}, {"cpu": "much"})),
        Field("spec.enableServiceLinks", flag()),
        Field("spec.serviceAccountName", text("default", "mine", "A_b")),
        Field("spec.serviceAccount", text("mine")),
        Field("spec.automountServiceAccountToken", flag()),
        Field("spec.schedulingGates", given([], [{"name": "example.org/wait"}])),
        Field("spec.resourceClaims", given([], [{"name": "gpu", "resourceClaimName": "a"}])),
        Field("spec.workloadRef", given({"name": "a", "podGroup": "b"})),
        Field("spec.schedulingGroup", given({"podGroupName": "a"})),
    ],
    "containers": [
        Field("spec.containers", things()),
        Field(f"{C}.name", text("a-1", "a.b", "A", LONG, f"{LONG}a", absent=ABSENT)),
        Field(f"{C}.image", text("busybox", "a b", " busybox", "Upper/Case", "a:tag@sha256:0", absent=ABSENT)),
        Field(f"{C}.imagePullPolicy", choice("Always", "IfNotPresent", "Never")),
        Field(f"{C}.command", things(["true"], number=[1], of_empty=[""])),
        Field(f"{C}.args", things(["-v", "$(A)"])),
        Field(f"{C}.workingDir", text("/srv", "srv")),
        Field(f"{C}.tty", flag()),
        Field(f"{C}.stdin", given(True, False)),
        Field(f"{C}.stdinOnce", given(True, False)),
        Field(f"{C}.terminationMessagePath", given("", "/dev/termination-log", "/tmp/why")),
        Field(f"{C}.terminationMessagePolicy", choice("File", "FallbackToLogsOnError")),
        Field(f"{C}.restartPolicy", given("Always", "Never", "Sometimes")),
        Field(
            f"{C}.restartPolicyRules",
            given([], [{"action": "Restart", "exitCodes": {"operator": "In", "values": [1]}}]),
        ),
        Field(f"{C}.livenessProbe", given(PROBE, {})),
        Field(f"{C}.readinessProbe", given(PROBE)),
        Field(f"{C}.startupProbe", given(PROBE)),
        Field(f"{C}.lifecycle", given({"preStop": {"sleep": {"seconds": 1}}}, {})),
        Field(f"{C}.resizePolicy", given([{"resourceName": "cpu", "restartPolicy": "NotRequired"}], [])),
        Field(f"{C}.resizePolicy", {"restart": [{"resourceName": "cpu", "restartPolicy": "RestartContainer"}]}),
        Field(f"{C}.envFrom", given([], [{"configMapRef": {"name": "settings"}}])),
        Field(f"{C}.volumeDevices", given([], [{"name": "data", "devicePath": "/dev/xvda"}])),
    ],
    "environment": [
        Field(f"{C}.env", things([{"name": "A", "value": "b"}], twice=[{"name": "A"}, {"name": "A", "value": "2"}])),
        Field(f"{C}.env[0].name", text("A.b-c", "1A", "a b", "a=b", "é", "A" * 253, "A" * 254)),
        Field(f"{C}.env[0]", {"value true": {"name": "A", "value": True}, "value 1": {"name": "A", "value": 1}}),
        Field(f"{C}.env[0]", {"null value": {"name": "A", "value": None}, "lines": {"name": "A", "value": "1\n2\n"}}),
        Field(f"{C}.env[0]", {"reference": {"name": "A", "value": "$(B) $$(C)"}, "typo": {"name": "A", "valu": ""}}),
        Field(
            f"{C}.env[0]",
            {"valueFrom": {"name": "A", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}},
        ),
    ],
    "ports": [
        Field(f"{C}.ports", things([{"containerPort": 80}], twice=[{"containerPort": 80}, {"containerPort": 80}])),
        Field(f"{C}.ports", {"two protocols": [{"containerPort": 53, "protocol": p} for p in ("TCP", "UDP")]}),
        Field(f"{C}.ports[0].containerPort", number(1, 65535, 65536, 2**31)),
        Field(f"{C}.ports[0]", {f"name {n}": {"containerPort": 80, "name": n} for n in ("http", "a" * 15, "a" * 16)}),
        Field(
            f"{C}.ports[0]", {f"name {n}": {"containerPort": 80, "name": n} for n in ("80", "a--b", "-ab", "Http", "")}
        ),
        Field(f"{C}.ports[0]", {f"protocol {p}": {"containerPort": 80, "protocol": p} for p in ("SCTP", "tcp", "")}),
        Field(f"{C}.ports[0]", {f"hostPort {n}": {"containerPort": 80, "hostPort": n} for n in (0, 8080, 65536)}),
        Field(f"{C}.ports[0]", {f"hostIP {a}": {"containerPort": 80, "hostIP": a} for a in ("", "127.0.0.1")}),
        Field(
            f"{C}.ports",
            {"a name twice": [{"containerPort": 1, "name": "a"}, {"containerPort": 2, "name": "a"}]},
        ),
    ],
    "resources": [
        Field(f"{C}.resources", mapping({"claims": []}, {"claims": [{"name": "gpu"}]})),
        Field(f"{C}.resources.limits", mapping({"cpu": "1", "memory": "64Mi"}, {"CPU": 1}, {"disk": "1"})),
        Field(f"{C}.resources.limits", {"of null": {"cpu": None}, "ephemeral": {"ephemeral-storage": "1Gi"}}),
        Field(
            f"{C}.resources.limits", {"a device": {"example.org/gpu": 1}, "half a device": {"example.org/gpu": "0.5"}}
        ),
        Field(f"{C}.resources.limits", {"pages": {"hugepages-2Mi": "4Mi"}, "and": {"hugepages-2Mi": "4Mi", "cpu": 1}}),
        *(
            Field(f"{C}.resources.limits.cpu", {f"as {amount}": amount})
            for amount in (0, 1, 0.5, 1.0, "100m", "0.1", "1e3", "1E3", "1e-3", "+1", "-1", "0.5m", "1n", "1k", "1_000")
        ),
        *(
            Field(f"{C}.resources.limits.memory", {f"of {amount}": amount})
            for amount in (
                "64Mi",
                "128M",
                "1.5Gi",
                ".5Gi",
                "5.",
                "64mi",
                "64MB",
                "1 Gi",
                "64m",
                "0.1",
                "8Ei",
                "1E",
                "9e18",
            )
        ),
        Field(f"{C}.resources.limits.memory", {"just too large": 2**63, "far too large": "1e30", "true": True}),
        Field(f"{C}.resources.limits.memory", {"words": "much", "empty": "", "dot": ".", "Ki alone": "Ki", "E1": "E1"}),
        Field(f"{C}.resources.requests", {"alone": {"cpu": "10m"}, "of null": {"memory": None}}),
        Field(f"{C}.resources", {"request above": {"limits": {"cpu": 1}, "requests": {"cpu": "1001m"}}}),
        Field(f"{C}.resources", {"request below": {"limits": {"cpu": 1}, "requests": {"cpu": "1m", "memory": 1}}}),
        Field(f"{C}.resources", {"request equal": {"limits": {"cpu": 1}, "requests": {"cpu": "1000m"}}}),
    ],
    "security": [
        Field("spec.securityContext", mapping({"runAsUser": 1000, "supplementalGroups": [1, 1, 2]})),
        *(Field(f"spec.securityContext.{name}", number(2**31 - 1, 2**31)) for name in ("runAsUser", "runAsGroup")),
        Field("spec.securityContext.runAsNonRoot", flag()),
        Field("spec.securityContext.supplementalGroups", things([0], [-1], [2**31])),
        Field("spec.securityContext.supplementalGroupsPolicy", given("Merge", "Strict")),
        Field("spec.securityContext.fsGroup", given(2000)),
        Field("spec.securityContext.fsGroupChangePolicy", given("OnRootMismatch")),
        Field("spec.securityContext.sysctls", given([], [{"name": "net.core.somaxconn", "value": "1024"}])),
        Field("spec.securityContext.seLinuxOptions", given({}, {"level": "s0:c1"})),
        Field("spec.securityContext.seLinuxChangePolicy", given("Recursive")),
        Field("spec.securityContext.windowsOptions", given({"runAsUserName": "me"})),
        Field("spec.securityContext.appArmorProfile", given({"type": "Unconfined"}, {"type": "RuntimeDefault"})),
        Field("spec.securityContext.seccompProfile", mapping({"type": "RuntimeDefault"}, {"type": "Unconfined"})),
        Field(
            "spec.securityContext.seccompProfile", {"odd": {"type": "runtime/default"}, "alone": {"type": "Localhost"}}
        ),
        Field(f"{C}.securityContext", mapping()),
        Field(f"{C}.securityContext.runAsUser", number()),
        Field(f"{C}.securityContext.runAsGroup", number()),
        *(
            Field(f"{C}.securityContext.{name}", flag())
            for name in ("runAsNonRoot", "privileged", "allowPrivilegeEscalation", "readOnlyRootFilesystem")
        ),
        Field(f"{C}.securityContext.procMount", choice("Default", "Unmasked")),
        Field(f"{C}.securityContext.capabilities", mapping({"add": ["NET_ADMIN"], "drop": ["ALL"]}, {"add": None})),
        Field(f"{C}.securityContext.capabilities.add", things(["CAP_CHOWN"], ["chown"], ["FLY"], ["ALL"], [""])),
        Field(f"{C}.securityContext.seccompProfile", {"file": {"type": "Localhost", "localhostProfile": "a/b.json"}}),
        Field(f"{C}.securityContext.seccompProfile", {"up": {"type": "Localhost", "localhostProfile": "../b.json"}}),
        Field(f"{C}.securityContext.seccompProfile", {"root": {"type": "Localhost", "localhostProfile": "/b.json"}}),
        Field(f"{C}.securityContext.seccompProfile", {"empty file": {"type": "Localhost", "localhostProfile": ""}}),
        Field(f"{C}.securityContext.seccompProfile", {"both": {"type": "Unconfined", "localhostProfile": "a"}}),
        Field(f"{C}.securityContext.seLinuxOptions", given({}, {"level": "s0:c1"})),
        Field(f"{C}.securityContext.windowsOptions", given({"runAsUserName": "me"})),
        Field(f"{C}.securityContext.appArmorProfile", given({"type": "Unconfined"}, {"type": "RuntimeDefault"})),
    ],
    "volumes": [
        Field("spec.volumes", things([{"name": "a"}], twice=[{"name": "a"}, {"name": "a"}])),
        Field(f"{V}.name", text("a.b", "A", LONG, f"{LONG}a", absent=ABSENT)),
        Field(
            f"{V}.emptyDir", mapping({"medium": "Memory"}, {"medium": ""}, {"medium": "HugePages"}, {"medium": "Tape"})
        ),
        Field(f"{V}.emptyDir", {"limit on disk": {"sizeLimit": "1Gi"}, "no limit": {"sizeLimit": None}}),
        *(
            Field(f"{V}.emptyDir", {f"limit {size}": {"medium": "Memory", "sizeLimit": size}})
            for size in ("64Mi", 0, -1, 1.5, "64m", "much", 1048576)
        ),
        Field(V, {"path": {"name": "data", "hostPath": {"path": "/srv"}}, "none": {"name": "data", "hostPath": {}}}),
        Field(V, {"two kinds": {"name": "data", "hostPath": {"path": "/srv"}, "emptyDir": {}}}),
        *(
            Field(V, {f"path {path}": {"name": "data", "hostPath": {"path": path}}})
            for path in ("/srv//a/", "srv", "/srv/../etc", "/srv/..a", "/", "", "/a b", "/a:b")
        ),
        *(
            Field(V, {f"type {kind}": {"name": "data", "hostPath": {"path": "/srv", "type": kind}}})
            for kind in ("", "Directory", "DirectoryOrCreate", "File", "FileOrCreate", "Socket", "CharDevice", "Folder")
        ),
        *(
            Field(V, {f"{kind} volume": {"name": "data", kind: source}})
            for kind, source in {
                "configMap": {"name": "settings"},
                "secret": {"secretName": "key"},
                "downwardAPI": {"items": [{"path": "name", "fieldRef": {"fieldPath": "metadata.name"}}]},
                "projected": {"sources": [{"configMap": {"name": "settings"}}]},
                "persistentVolumeClaim": {"claimName": "disk"},
                "image": {"reference": "registry.example.com/data:1"},
                "gitRepo": {"repository": "https://example.org/a.git"},
                "ephemeral": {
                    "volumeClaimTemplate": {
                        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
                    }
                },
                "awsElasticBlockStore": {"volumeID": "a"},
                "azureDisk": {"diskName": "a", "diskURI": "https://example.org/a.vhd"},
                "azureFile": {"secretName": "a", "shareName": "b"},
                "cephfs": {"monitors": ["10.0.0.1:6789"]},
                "cinder": {"volumeID": "a"},
                "csi": {"driver": "csi.example.org"},
                "fc": {"targetWWNs": ["500a0982991b8dc5"], "lun": 0},
                "flexVolume": {"driver": "example.org/a"},
                "flocker": {"datasetName": "a"},
                "gcePersistentDisk": {"pdName": "a"},
                "glusterfs": {"endpoints": "a", "path": "b"},
                "iscsi": {"targetPortal": "10.0.0.1:3260", "iqn": "iqn.2026-01.org.example:a", "lun": 0},
                "nfs": {"server": "nfs.example.org", "path": "/a"},
                "photonPersistentDisk": {"pdID": "a"},
                "portworxVolume": {"volumeID": "a"},
                "quobyte": {"registry": "10.0.0.1:7861", "volume": "a"},
                "rbd": {"monitors": ["10.0.0.1:6789"], "image": "a"},
                "scaleIO": {
                    "gateway": "https://10.0.0.1",
                    "system": "a",
                    "secretRef": {"name": "b"},
                    "volumeName": "c",
                },
                "storageos": {"volumeName": "a"},
                "vsphereVolume": {"volumePath": "[a] b"},
            }.items()
        ),
    ],
    "mounts": [
        Field(f"{C}.volumeMounts", things([{"name": "data", "mountPath": "/data"}])),
        *(
            Field(f"{C}.volumeMounts", {f"at {path}": [{"name": "data", "mountPath": path}]})
            for path in (
                "/a//b/",
                "data",
                "/a/../b",
                "/a:b",
                "/",
                "/dev",
                "/dev/shm",
                "/proc",
                "/proc/a",
                "/etc/hosts",
                "",
            )
        ),
        Field(f"{C}.volumeMounts", {"unknown": [{"name": "other", "mountPath": "/a"}], "nowhere": [{"name": "data"}]}),
        Field(
            f"{C}.volumeMounts",
            {"same place": [{"name": "data", "mountPath": "/a"}, {"name": "data", "mountPath": "/a"}]},
        ),
        Field(
            f"{C}.volumeMounts",
            {"same but /": [{"name": "data", "mountPath": "/a"}, {"name": "data", "mountPath": "/a/"}]},
        ),
        *(
            Field(f"{C}.volumeMounts[0]", {f"{name} {value}": {"name": "data", "mountPath": "/data", name: value}})
            for name, value in (
                ("readOnly", True),
                ("readOnly", "yes"),
                ("subPath", ""),
                ("subPath", "a/b"),
                ("subPath", "../b"),
                ("subPathExpr", "$(A)"),
                ("mountPropagation", "None"),
                ("mountPropagation", "HostToContainer"),
                ("mountPropagation", "Bidirectional"),
                ("recursiveReadOnly", "Disabled"),
                ("recursiveReadOnly", "Enabled"),
            )
        ),
    ],
}
"""Noun to its fields."""
