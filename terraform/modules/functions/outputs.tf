output "arns" {
  description = "The functions' ARNs by name."
  value       = { for name, function in aws_lambda_function.this : name => function.arn }
}

output "timeouts" {
  description = "Seconds that each may take, by its name on AWS."
  value       = { for name, function in aws_lambda_function.this : function.function_name => function.timeout }
}

output "log_groups" {
  description = "The log groups' names, by function."
  value       = { for name, group in aws_cloudwatch_log_group.this : name => group.name }
}
