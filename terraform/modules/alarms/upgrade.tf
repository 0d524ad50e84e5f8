# Deployments from before the alarms were one map: forget the old addresses without deleting the alarms, which the new
# ones replace under the same names. A deletion could come after the creation, and remove the new alarm.

removed {
  from = aws_cloudwatch_metric_alarm.errors

  lifecycle {
    destroy = false
  }
}

removed {
  from = aws_cloudwatch_metric_alarm.duration

  lifecycle {
    destroy = false
  }
}

removed {
  from = aws_cloudwatch_metric_alarm.throttles

  lifecycle {
    destroy = false
  }
}

removed {
  from = aws_cloudwatch_metric_alarm.no_successful_run

  lifecycle {
    destroy = false
  }
}

removed {
  from = aws_cloudwatch_metric_alarm.missing_symbols

  lifecycle {
    destroy = false
  }
}
