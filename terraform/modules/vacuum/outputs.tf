output "schedule_arn" {
  description = "ARN of the schedule."
  value       = aws_scheduler_schedule.vacuum.arn
}
