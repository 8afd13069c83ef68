# Copyright: (c) 2026, Podwright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The fast lane of the module image_info."""

from __future__ import annotations

from typing import Any

from ansible_collections.podwright.runtime.plugins.module_utils import _image
from ansible_collections.podwright.runtime.plugins.plugin_utils._fast_lane import FastLane


class ActionModule(FastLane):
    MODULE = "podwright.runtime.image_info"
    SUBJECT = "images"
    ARGUMENTS = _image.INFO_ARGUMENTS

    def _request(self, params: dict[str, Any], _text: str | None) -> dict[str, Any]:
        return _image.info_request(params)
