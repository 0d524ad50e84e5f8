mock_provider "aws" {
  mock_data "aws_caller_identity" {
    defaults = {
      account_id = "123456789012"
    }
  }

  mock_data "aws_partition" {
    defaults = {
      partition = "aws"
    }
  }

  mock_data "aws_region" {
    defaults = {
      name = "ap-southeast-2"
    }
  }

  mock_resource "aws_kms_key" {
    defaults = {
      arn = "arn:aws:kms:ap-southeast-2:123456789012:key/topic"
    }
  }

  mock_resource "aws_cloudwatch_log_group" {
    defaults = {
      arn = "arn:aws:logs:ap-southeast-2:123456789012:log-group:any"
    }
  }

  mock_resource "aws_sns_topic" {
    defaults = {
      arn = "arn:aws:sns:ap-southeast-2:123456789012:any"
    }
  }

  mock_resource "aws_iam_role" {
    defaults = {
      arn = "arn:aws:iam::123456789012:role/any"
    }
  }

  mock_resource "aws_sfn_state_machine" {
    defaults = {
      arn = "arn:aws:states:ap-southeast-2:123456789012:stateMachine:any"
    }
  }
}

variables {
  name             = "stockstream-test"
  environment      = "test"
  market           = "ASX"
  schedule         = null
  schedule_enabled = true

  log_retention_days = 30
  kms_key_arn        = null

  alarm_emails = ["a@example.org", "b@example.org"]
  function_arns = {
    for name in keys(jsondecode(file("../../packages.json")).functions) :
    name => "arn:aws:lambda:ap-southeast-2:123456789012:function:${name}"
  }
}

run "asx" {
  assert {
    condition     = aws_scheduler_schedule.daily.schedule_expression == "cron(0 6 * * ? *)" && aws_scheduler_schedule.daily.schedule_expression_timezone == "Australia/Sydney"
    error_message = "ASX runs at 6:00 in Sydney, whatever the season."
  }

  assert {
    condition     = length(aws_sns_topic_subscription.email) == 2
    error_message = "Every address is subscribed."
  }
}

run "us" {
  variables {
    market           = "US"
    schedule_enabled = false
  }

  assert {
    condition     = aws_scheduler_schedule.daily.schedule_expression == "cron(5 16 * * ? *)" && aws_scheduler_schedule.daily.schedule_expression_timezone == "America/New_York"
    error_message = "US runs at 16:05 in New York."
  }

  assert {
    condition     = aws_scheduler_schedule.daily.state == "DISABLED"
    error_message = "The schedule can be disabled."
  }
}

run "another_hour" {
  variables {
    schedule = "cron(30 17 ? * MON-FRI *)"
  }

  assert {
    condition     = aws_scheduler_schedule.daily.schedule_expression == "cron(30 17 ? * MON-FRI *)"
    error_message = "The schedule can be changed."
  }
}
