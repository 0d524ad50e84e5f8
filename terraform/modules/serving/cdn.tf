# CloudFront in front of the HTTP API. A cache must not answer a request that the application would refuse: addresses of
# the newest generation are not cached there (clients revalidate them by ETag), and the cache of `/v1/@N/…`, which never
# change, has the caller's key as a part of an answer's identity. None of AWS's managed cache policies has that without the
# header Host, which API Gateway refuses; hence `forwarded_values`.

locals {
  # AWS's managed policies: CachingDisabled, AllViewerExceptHostHeader.
  not_cached      = "4135ea2d-6df8-44a3-9df3-4b5a84be39ad"
  all_except_host = "b689b0a8-53d0-40ab-baf2-68738e2966ac"
  origin          = "http"
}

resource "aws_cloudfront_distribution" "this" {
  comment         = var.name
  enabled         = true
  is_ipv6_enabled = true
  http_version    = "http2and3"
  price_class     = "PriceClass_All"

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
    path_pattern           = "/v1/@*"
    target_origin_id       = local.origin
    viewer_protocol_policy = "https-only"
    allowed_methods        = ["GET", "HEAD"]
    cached_methods         = ["GET", "HEAD"]
    compress               = true
    min_ttl                = 0
    default_ttl            = 0
    # Then it asks again by ETag: a key that was removed reads what it has read before for so long.
    max_ttl = var.cache_seconds

    forwarded_values {
      query_string = true
      headers      = ["Accept", "Authorization", "X-API-Key"]

      cookies {
        forward = "none"
      }
    }
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
