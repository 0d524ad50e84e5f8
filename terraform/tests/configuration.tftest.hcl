# terraform test: the plan for some variables, with a mock of AWS.

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

  mock_resource "aws_lambda_function" {
    defaults = {
      arn = "arn:aws:lambda:ap-southeast-2:123456789012:function:any"
    }
  }

  mock_resource "aws_lambda_layer_version" {
    defaults = {
      arn = "arn:aws:lambda:ap-southeast-2:123456789012:layer:any:1"
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

  mock_resource "aws_sns_topic" {
    defaults = {
      arn = "arn:aws:sns:ap-southeast-2:123456789012:any"
    }
  }
}

override_resource {
  target = module.functions.terraform_data.packages
}

run "defaults" {
  command = plan

  assert {
    condition     = output.bucket == "stockstream-dev-123456789012-ap-southeast-2"
    error_message = "The bucket's name contains the account and the region."
  }

  assert {
    condition     = output.duckdb_command == "AWS_REGION=ap-southeast-2 STOCKSTREAM_LAKE=s3://stockstream-dev-123456789012-ap-southeast-2 duckdb -init sql/init.sql"
    error_message = "The command can be used as it is."
  }

  assert {
    condition     = output.live == null && length(module.functions.arns) == length(jsondecode(file("packages.json")).functions)
    error_message = "There is no speed layer unless it is asked for."
  }
}

run "speed_layer" {
  command = plan

  variables {
    speed_enabled       = true
    alert_subscriptions = [{ protocol = "sms", endpoint = "+61400000000", filter = { severity = ["critical"] } }]
  }

  assert {
    condition     = output.live.stream == "stockstream-dev-events" && output.live.table == "stockstream-dev-live"
    error_message = "The names are known before anything is created."
  }
}

run "an_alert_without_such_an_attribute" {
  command = plan

  variables {
    alert_subscriptions = [{ protocol = "email", endpoint = "a@example.org", filter = { colour = ["red"] } }]
  }

  expect_failures = [var.alert_subscriptions]
}

run "an_image_without_a_tag" {
  command = plan

  variables {
    producer_image = "123456789012.dkr.ecr.ap-southeast-2.amazonaws.com/stockstream-dev-producer"
  }

  expect_failures = [var.producer_image]
}

run "a_producer_that_fargate_does_not_have" {
  command = plan

  variables {
    producer = { cpu = 256, memory = 4096 }
  }

  expect_failures = [var.producer]
}

run "us_market" {
  command = plan

  variables {
    market                    = "US"
    data_source               = "polygon"
    polygon_api_key_parameter = "/stockstream/polygon"
    schedule_enabled          = false
  }
}

run "a_secret_is_no_setting" {
  command = plan

  variables {
    settings = { POLYGON_API_KEY = "secret" }
  }

  expect_failures = [var.settings]
}

run "no_such_market" {
  command = plan

  variables {
    market = "LSE"
  }

  expect_failures = [var.market]
}

run "no_such_email" {
  command = plan

  variables {
    alarm_emails = ["nobody"]
  }

  expect_failures = [var.alarm_emails]
}

run "a_timeout_beyond_lambdas" {
  command = plan

  variables {
    timeouts = { fetch_batch = 901 }
  }

  expect_failures = [var.timeouts]
}

run "the_old_name_of_a_variable" {
  command = plan

  variables {
    most_missing_symbols = 7
  }

  assert {
    condition     = module.alarms.max_missing_symbols == 7
    error_message = "most_missing_symbols is an alias of max_missing_symbols."
  }
}
