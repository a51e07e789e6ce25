"""Drawn skin lesions."""
