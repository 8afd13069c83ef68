# SPDX-License-Identifier: Apache-2.0
"""What the store holds and who uses it: disk use, pruning, verification."""
