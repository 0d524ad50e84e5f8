output "bucket" {
  description = "The lake's bucket."
  value       = module.lake.bucket
}

output "duckdb_command" {
  description = "Opens the lake in the duckdb shell, in the checkout's folder."
  value       = "AWS_REGION=${var.region} STOCKSTREAM_LAKE=s3://${module.lake.bucket} duckdb -init sql/init.sql"
}

output "function_arns" {
  description = "The Lambda functions by name."
  value       = module.functions.arns
}

output "log_groups" {
  description = "Their logs, by name."
  value       = module.functions.log_groups
}

output "state_machine_arn" {
  description = "What a run is an execution of."
  value       = module.workflow.state_machine_arn
}

output "rule_arn" {
  description = "The schedule (EventBridge Scheduler) that starts the runs."
  value       = module.workflow.schedule_arn
}

output "topic_arn" {
  description = "Where failed and incomplete runs and alarms are told."
  value       = module.workflow.topic_arn
}

output "reader_role_arn" {
  description = "The analysts' read-only role."
  value       = module.readers.role_arn
}

output "dashboard" {
  description = "Name of the CloudWatch dashboard."
  value       = module.alarms.dashboard
}
