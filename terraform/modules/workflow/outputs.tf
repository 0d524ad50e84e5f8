output "state_machine_arn" {
  description = "ARN of the state machine."
  value       = aws_sfn_state_machine.pipeline.arn
}

output "schedule_arn" {
  description = "ARN of the schedule."
  value       = aws_scheduler_schedule.daily.arn
}

output "topic_arn" {
  description = "ARN of the SNS topic for failed runs and alarms."
  value       = aws_sns_topic.alarms.arn
}
