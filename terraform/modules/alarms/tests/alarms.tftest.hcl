mock_provider "aws" {}

variables {
  name                 = "stockstream-test"
  environment          = "test"
  region               = "ap-southeast-2"
  market               = "ASX"
  topic_arn            = "arn:aws:sns:ap-southeast-2:123456789012:any"
  state_machine_arn    = "arn:aws:states:ap-southeast-2:123456789012:stateMachine:any"
  function_timeouts    = { stockstream-test-fetch-batch = 900, stockstream-test-check = 300 }
  most_missing_symbols = 50
  monthly_budget       = 10
  alarm_emails         = ["a@example.org"]
}

run "alarms" {
  assert {
    condition     = aws_cloudwatch_metric_alarm.duration["stockstream-test-fetch-batch"].threshold == 720000
    error_message = "Told at 80 % of the timeout, in milliseconds."
  }

  assert {
    condition     = aws_cloudwatch_metric_alarm.no_successful_run.period * aws_cloudwatch_metric_alarm.no_successful_run.evaluation_periods == 26 * 3600 && aws_cloudwatch_metric_alarm.no_successful_run.treat_missing_data == "breaching"
    error_message = "26 hours without a success are an alarm, also if there was no run at all."
  }

  assert {
    condition     = keys(aws_cloudwatch_metric_alarm.throttles) == ["stockstream-test-fetch-batch"]
    error_message = "Only what runs several at once can be throttled."
  }

  assert {
    condition     = length(aws_budgets_budget.monthly.notification) == 2
    error_message = "Told of costs at 80 %, and when more is forecast."
  }
}
