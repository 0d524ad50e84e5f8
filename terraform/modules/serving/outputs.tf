output "addresses" {
  description = "Where the lake is served: CloudFront's address, that of the HTTP API behind it, and of the websocket (null without a speed layer)."
  value = {
    url         = "https://${aws_cloudfront_distribution.this.domain_name}"
    http_api    = aws_apigatewayv2_api.http.api_endpoint
    sockets     = one([for stage in aws_apigatewayv2_stage.sockets : stage.invoke_url])
    connections = one([for table in aws_dynamodb_table.connections : table.name])
  }
}

output "environment" {
  description = "Environment variables of the functions of the serving layer."
  value = merge(
    {
      SERVING_KEYS_PARAMETER = var.keys_parameter
      SERVING_HOSTS = join(",", [
        aws_cloudfront_distribution.this.domain_name,
        replace(aws_apigatewayv2_api.http.api_endpoint, "https://", ""),
      ])
    },
    !var.sockets_enabled ? {} : {
      CONNECTIONS_TABLE = local.connections
      SOCKETS_URL       = join("", [for stage in aws_apigatewayv2_stage.sockets : replace(stage.invoke_url, "wss://", "https://")])
    },
  )
}
