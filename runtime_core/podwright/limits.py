# SPDX-License-Identifier: Apache-2.0
"""The limits of Podwright, as constants."""

MAX_PODS = 1024
MAX_CONTAINERS_PER_POD = 16
MAX_VOLUMES_PER_POD = 64
MAX_MANIFEST_SIZE = 1 << 20  # bytes
MAX_ENV_VARS_PER_CONTAINER = 256
MAX_RESTART_RULES = 20  # of a container
MAX_EXIT_CODES = 255  # of a rule
MAX_GRACE_PERIOD_SECS = 86400  # a day; podinit has it too (plan.h)
