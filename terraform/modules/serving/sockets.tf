# The WebSocket API: live bars for browsers and programs. A function lets clients connect and subscribe; another sends the
# bars that change in the table of live bars. Only with a speed layer.

locals {
  sockets = !var.sockets_enabled ? toset([]) : toset(["live"])
  routes  = !var.sockets_enabled ? toset([]) : toset(["$connect", "$default", "$disconnect"])
  # Bars are collected for so many seconds; of each, the newest is sent.
  seconds = 1
  # What is older has been replaced.
  oldest_seconds = 60
}

resource "aws_apigatewayv2_api" "sockets" {
  for_each = local.sockets

  name                       = "${var.name}-sockets"
  protocol_type              = "WEBSOCKET"
  route_selection_expression = "$request.body.action"
}

resource "aws_apigatewayv2_integration" "sockets" {
  for_each = local.sockets

  api_id           = aws_apigatewayv2_api.sockets[each.key].id
  integration_type = "AWS_PROXY"
  integration_uri  = var.functions.serve_sockets.invoke_arn
}

resource "aws_apigatewayv2_route" "sockets" {
  for_each = local.routes

  api_id    = aws_apigatewayv2_api.sockets["live"].id
  route_key = each.key
  target    = "integrations/${aws_apigatewayv2_integration.sockets["live"].id}"

  # A message is answered.
  route_response_selection_expression = each.key == "$default" ? "$default" : null
}

resource "aws_apigatewayv2_route_response" "sockets" {
  for_each = local.sockets

  api_id             = aws_apigatewayv2_api.sockets[each.key].id
  route_id           = aws_apigatewayv2_route.sockets["$default"].id
  route_response_key = "$default"
}

resource "aws_apigatewayv2_stage" "sockets" {
  # checkov:skip=CKV_AWS_76:logs of a WebSocket API need a role of the whole account; the function logs its requests
  for_each = local.sockets

  api_id      = aws_apigatewayv2_api.sockets[each.key].id
  name        = each.key
  auto_deploy = true

  default_route_settings {
    throttling_burst_limit = var.throttling.burst
    throttling_rate_limit  = var.throttling.rate
  }
}

resource "aws_lambda_permission" "sockets" {
  for_each = local.sockets

  statement_id  = "WebSocketApi"
  action        = "lambda:InvokeFunction"
  function_name = var.functions.serve_sockets.name
  principal     = "apigateway.amazonaws.com"
  source_arn    = "${aws_apigatewayv2_api.sockets[each.key].execution_arn}/*/*"
}

# DynamoDB deletes an item some hours after `expires_at`, so the functions compare it with the time.
resource "aws_dynamodb_table" "connections" {
  # checkov:skip=CKV_AWS_28:a connection lasts two hours at most; a client connects again
  for_each = local.sockets

  name         = local.connections
  billing_mode = "PAY_PER_REQUEST"
  hash_key     = "connection"

  attribute {
    name = "connection"
    type = "S"
  }

  ttl {
    attribute_name = "expires_at"
    enabled        = true
  }

  # Without a customer's key: that of AWS for DynamoDB.
  server_side_encryption {
    enabled     = true
    kms_key_arn = var.kms_key_arn
  }
}

resource "aws_lambda_event_source_mapping" "push" {
  for_each = local.sockets

  event_source_arn                   = var.table_stream_arn
  function_name                      = var.functions.push_live.arn
  starting_position                  = "LATEST"
  batch_size                         = 10000
  maximum_batching_window_in_seconds = local.seconds
  maximum_record_age_in_seconds      = local.oldest_seconds
  maximum_retry_attempts             = 1

  # Lambda checks the rights when the mapping is created.
  depends_on = [aws_iam_role_policy.function]
}
