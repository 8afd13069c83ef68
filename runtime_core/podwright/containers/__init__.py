# SPDX-License-Identifier: Apache-2.0
"""OCI containers on this host: their records, their processes, and the orders that runtime.md of the OCI names."""
