# SPDX-License-Identifier: Apache-2.0
"""A stack with one pod, from the same file that examples/site.yml plays."""

import pulumi

from pulumi_podwright import Pod

hello = Pod("hello", manifest="../pod.yaml")

pulumi.export("phase", hello.phase)
pulumi.export("url", pulumi.Output.concat("http://", hello.pod_ip, ":8080/"))
