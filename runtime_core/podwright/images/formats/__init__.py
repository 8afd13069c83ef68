# SPDX-License-Identifier: Apache-2.0
"""Images outside the store: layouts, archives and plain file systems, as sources and as destinations."""
