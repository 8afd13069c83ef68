"""Podwright as Pulumi resources."""
