# What the functions of the serving layer may do; modules/functions makes their roles.

data "aws_caller_identity" "current" {}
data "aws_partition" "current" {}
data "aws_region" "current" {}

locals {
  account     = "${data.aws_region.current.name}:${data.aws_caller_identity.current.account_id}"
  prefix      = "arn:${data.aws_partition.current.partition}"
  connections = "${var.name}-connections"
  table       = "${local.prefix}:dynamodb:${local.account}:table/${local.connections}"

  keys = {
    Sid      = "Keys"
    Effect   = "Allow"
    Action   = ["ssm:GetParameter"]
    Resource = ["${local.prefix}:ssm:${local.account}:parameter${var.keys_parameter}"]
  }
  functions = {
    serve_http = [
      local.keys,
      {
        Sid      = "Read"
        Effect   = "Allow"
        Action   = ["s3:GetObject"]
        Resource = [for one in ["live/*", "paper/*", "serving/*", "state/checks/*", "state/current.json", "state/history.json", "state/lake.json", "state/manifests/*", "state/paper/*"] : "${var.bucket_arn}/${one}"]
      },
    ]
    serve_sockets = [
      local.keys,
      {
        Sid      = "Connections"
        Effect   = "Allow"
        Action   = ["dynamodb:DeleteItem", "dynamodb:PutItem", "dynamodb:UpdateItem"]
        Resource = [local.table]
      },
    ]
    push_live = [
      {
        Sid      = "Stream"
        Effect   = "Allow"
        Action   = ["dynamodb:DescribeStream", "dynamodb:GetRecords", "dynamodb:GetShardIterator", "dynamodb:ListStreams"]
        Resource = [coalesce(var.table_stream_arn, local.table)]
      },
      {
        Sid      = "Connections"
        Effect   = "Allow"
        Action   = ["dynamodb:DeleteItem", "dynamodb:Scan"]
        Resource = [local.table]
      },
      {
        Sid      = "Send"
        Effect   = "Allow"
        Action   = ["execute-api:ManageConnections"]
        Resource = [for api in aws_apigatewayv2_api.sockets : "${api.execution_arn}/live/POST/@connections/*"]
      },
    ]
  }
}

resource "aws_iam_role_policy" "function" {
  for_each = !var.sockets_enabled ? toset(["serve_http"]) : toset(keys(local.functions))

  name   = "serving"
  role   = var.functions[each.key].role
  policy = jsonencode({ Version = "2012-10-17", Statement = local.functions[each.key] })
}
