# CloudFront in front of the HTTP API. It keeps the scripts and styles of the pages alone, whose addresses have a checksum:
# all other answers need a key and are `private`, so that they pass through, and clients revalidate them by ETag.

locals {
  # AWS's managed policies: CachingDisabled, CachingOptimized, AllViewerExceptHostHeader.
  not_cached      = "4135ea2d-6df8-44a3-9df3-4b5a84be39ad"
  cached          = "658327ea-f89d-4fab-a63d-7e88639e58f6"
  all_except_host = "b689b0a8-53d0-40ab-baf2-68738e2966ac"
  origin          = "http"
}

resource "aws_cloudfront_distribution" "this" {
  comment         = var.name
  enabled         = true
  is_ipv6_enabled = true
  http_version    = "http2and3"
  price_class     = "PriceClass_All"

  # A change takes minutes; until a new one answers, the HTTP API does.
  wait_for_deployment = false

  origin {
    origin_id   = local.origin
    domain_name = replace(aws_apigatewayv2_api.http.api_endpoint, "https://", "")

    custom_origin_config {
      http_port              = 80
      https_port             = 443
      origin_protocol_policy = "https-only"
      origin_ssl_protocols   = ["TLSv1.2"]
    }
  }

  default_cache_behavior {
    target_origin_id         = local.origin
    viewer_protocol_policy   = "https-only" # a redirect would come after the key was sent
    allowed_methods          = ["DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"]
    cached_methods           = ["GET", "HEAD"]
    cache_policy_id          = local.not_cached
    origin_request_policy_id = local.all_except_host
  }

  ordered_cache_behavior {
    path_pattern           = "/assets/*"
    target_origin_id       = local.origin
    viewer_protocol_policy = "https-only"
    allowed_methods        = ["GET", "HEAD"]
    cached_methods         = ["GET", "HEAD"]
    compress               = true
    cache_policy_id        = local.cached
  }

  restrictions {
    geo_restriction {
      restriction_type = "none"
    }
  }

  viewer_certificate {
    cloudfront_default_certificate = true
  }
}
