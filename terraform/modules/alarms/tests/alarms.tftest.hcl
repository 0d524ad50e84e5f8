mock_provider "aws" {
  mock_data "aws_region" {
    defaults = {
      name = "ap-southeast-2"
    }
  }
}

variables {
  name                = "stockstream-test"
  environment         = "test"
  market              = "ASX"
  topic_arn           = "arn:aws:sns:ap-southeast-2:123456789012:any"
  state_machine_arn   = "arn:aws:states:ap-southeast-2:123456789012:stateMachine:any"
  function_timeouts   = { stockstream-test-fetch-batch = 900, stockstream-test-check = 300 }
  max_missing_symbols = 50
  monthly_budget      = 10
  alarm_emails        = ["a@example.org"]
}

run "alarms" {
  assert {
    condition     = aws_cloudwatch_metric_alarm.this["stockstream-test-fetch-batch-duration"].threshold == 720000
    error_message = "The alarm is at 80 % of the timeout, in milliseconds."
  }

  assert {
    condition     = aws_cloudwatch_metric_alarm.this["stockstream-test-no-successful-run"].period * aws_cloudwatch_metric_alarm.this["stockstream-test-no-successful-run"].evaluation_periods == 26 * 3600 && aws_cloudwatch_metric_alarm.this["stockstream-test-no-successful-run"].treat_missing_data == "breaching"
    error_message = "26 hours without a success raise the alarm, also if there was no run."
  }

  assert {
    condition     = [for name in keys(aws_cloudwatch_metric_alarm.this) : name if endswith(name, "-throttles")] == ["stockstream-test-fetch-batch-throttles"]
    error_message = "Only functions that run several times at once can be throttled."
  }

  assert {
    condition     = length(aws_budgets_budget.monthly.notification) == 2
    error_message = "Messages are sent at 80 % of the budget, and when the forecast exceeds it."
  }
}
