"""What a call's quality is made of: metrics, warnings, the report and its upload. Pure but for `upload`."""
