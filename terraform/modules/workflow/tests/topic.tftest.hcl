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
  name               = "stockstream-test"
  environment        = "test"
  market             = "ASX"
  schedule           = null
  schedule_enabled   = true
  log_retention_days = 30
  kms_key_arn        = null
  alarm_emails       = []

  function_arns = {
    for name in keys(jsondecode(file("../../packages.json")).functions) :
    name => "arn:aws:lambda:ap-southeast-2:123456789012:function:${name}"
  }
}

run "topic" {
  assert {
    condition     = aws_sns_topic.alarms.kms_master_key_id == aws_kms_key.topic[0].arn && aws_kms_key.topic[0].enable_key_rotation
    error_message = "Messages are encrypted with a key that is rotated."
  }

  assert {
    condition = [
      for statement in jsondecode(aws_sns_topic_policy.alarms.policy).Statement : "${statement.Sid}: ${jsonencode(statement.Principal)}"
      if statement.Effect == "Allow"
      ] == [
      "StateMachine: {\"AWS\":\"arn:aws:iam::123456789012:role/any\"}",
      "Alarms: {\"Service\":\"cloudwatch.amazonaws.com\"}",
    ]
    error_message = "The state machine and CloudWatch publish."
  }

  assert {
    condition = {
      for statement in jsondecode(aws_sns_topic_policy.alarms.policy).Statement : statement.Sid => jsonencode(statement.Condition)
      if can(statement.Condition)
      } == {
      Alarms = jsonencode({
        StringEquals = { "aws:SourceAccount" = "123456789012" }
        ArnLike      = { "aws:SourceArn" = "arn:aws:cloudwatch:ap-southeast-2:123456789012:alarm:stockstream-test-*" }
      })
      NoOtherRole = jsonencode({
        ArnNotEquals = { "aws:PrincipalArn" = "arn:aws:iam::123456789012:role/any" }
        Bool         = { "aws:PrincipalIsAWSService" = "false" }
      })
      TlsOnly = jsonencode({ Bool = { "aws:SecureTransport" = "false" } })
    }
    error_message = "Only alarms of this deployment, no other role, and TLS only."
  }

  assert {
    condition     = one(aws_sfn_state_machine.pipeline.logging_configuration).level == "ERROR" && aws_cloudwatch_log_group.pipeline.retention_in_days == 30
    error_message = "What fails in an execution is in a log."
  }
}

run "a_key_of_the_customer" {
  variables {
    kms_key_arn = "arn:aws:kms:ap-southeast-2:123456789012:key/customer"
  }

  assert {
    condition     = length(aws_kms_key.topic) == 0 && aws_sns_topic.alarms.kms_master_key_id == "arn:aws:kms:ap-southeast-2:123456789012:key/customer"
    error_message = "Messages are encrypted with the customer's key, and no other is created."
  }
}
