# SPDX-License-Identifier: Apache-2.0
"""A client of the OCI distribution specification: what is asked of registries, and how they are reached."""
