"""Prepared folders: written once from a source, then mapped into memory."""
