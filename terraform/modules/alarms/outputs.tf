output "dashboard" {
  description = "Name of the dashboard."
  value       = aws_cloudwatch_dashboard.pipeline.dashboard_name
}

output "max_missing_symbols" {
  description = "Threshold of the alarm for missing symbols."
  value       = aws_cloudwatch_metric_alarm.this["${var.name}-missing-symbols"].threshold
}
