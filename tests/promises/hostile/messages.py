"""What servers under attack are asked."""

VALUES = [0.0] * 60 + [1.0] * 20 + [0.0] * 100  # Run where the value is high


def label_config(value_type: str = "json", *labels: str) -> str:
    """XML of a configuration with one channel."""
    tags = "".join(f'<Label value="{label}"/>' for label in labels or ("Run", "Walk"))
    return (
        f'<View><TimeSeriesLabels name="label" toName="ts">{tags}</TimeSeriesLabels>'
        f'<TimeSeries name="ts" valueType="{value_type}" value="$csv_url"><Channel column="value"/></TimeSeries></View>'
    )
