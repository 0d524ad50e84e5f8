# The topic of the alerts: encrypted, over TLS, and only the functions that send alerts publish to it. Its publishers are
# roles of this account, which may use the key that AWS manages for SNS; alarms have a topic of their own.

resource "aws_sns_topic" "alerts" {
  name              = var.topic
  kms_master_key_id = coalesce(var.kms_key_arn, "alias/aws/sns")
}

resource "aws_sns_topic_subscription" "alerts" {
  for_each = { for one in var.alert_subscriptions : "${one.protocol}:${one.endpoint}" => one }

  topic_arn = aws_sns_topic.alerts.arn
  protocol  = each.value.protocol
  endpoint  = each.value.endpoint

  # Of message attributes: every alert has those.
  filter_policy       = length(each.value.filter) == 0 ? null : jsonencode(each.value.filter)
  filter_policy_scope = length(each.value.filter) == 0 ? null : "MessageAttributes"
}

resource "aws_sns_topic_policy" "alerts" {
  arn = aws_sns_topic.alerts.arn

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid       = "Publishers"
        Effect    = "Allow"
        Principal = { AWS = var.sender_role_arns }
        Action    = "sns:Publish"
        Resource  = aws_sns_topic.alerts.arn
      },
      {
        # Whatever the policies of other roles and users in the account allow.
        Sid       = "NoOtherRole"
        Effect    = "Deny"
        Principal = "*"
        Action    = "sns:Publish"
        Resource  = aws_sns_topic.alerts.arn
        Condition = { ArnNotEquals = { "aws:PrincipalArn" = var.sender_role_arns } }
      },
      {
        Sid       = "TlsOnly"
        Effect    = "Deny"
        Principal = "*"
        Action    = "sns:Publish"
        Resource  = aws_sns_topic.alerts.arn
        Condition = { Bool = { "aws:SecureTransport" = "false" } }
      },
    ]
  })
}
