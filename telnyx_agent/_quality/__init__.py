"""What a call's quality is made of: metrics, warnings, socket health, the report. Pure but for `upload`."""
