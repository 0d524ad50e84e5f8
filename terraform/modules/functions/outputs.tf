output "arns" {
  description = "ARNs of the functions, by name."
  value       = { for name, function in aws_lambda_function.this : name => function.arn }
}

output "timeouts" {
  description = "Timeout in seconds per function, by its name on AWS."
  value       = { for name, function in aws_lambda_function.this : function.function_name => function.timeout }
}

output "log_groups" {
  description = "Names of the log groups, by function."
  value       = { for name, group in aws_cloudwatch_log_group.this : name => group.name }
}

output "functions" {
  description = "ARN and name of each function, and of its role."
  value = {
    for name, function in aws_lambda_function.this : name => {
      arn        = function.arn
      invoke_arn = function.invoke_arn
      name       = function.function_name
      role       = aws_iam_role.this[name].name
      role_arn   = aws_iam_role.this[name].arn
    }
  }
}
