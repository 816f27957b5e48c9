"""The torch engine trains dense networks under masks, on any torch device."""
