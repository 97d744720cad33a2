"""One function a feature; the registry finds every module in this folder."""
