# SPDX-License-Identifier: Apache-2.0
"""Who has to have signed an image: policies in containers-policy.json's form, and signatures as cosign makes them."""
