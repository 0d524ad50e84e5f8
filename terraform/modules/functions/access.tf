# What each function may do: read the lake and write its own prefixes. Only `vacuum` may delete, and nothing that a source
# has delivered: generations, and their files and findings. S3 keeps what it deletes for 30 days as a version.

locals {
  writes = {
    update_symbols = ["symbols/*", "raw-metadata/*", "state/lake.json", "state/sessions.parquet"]
    fetch_batch    = ["quarantine/*", "raw-data/*", "state/runs/*"]
    refresh        = ["silver/*", "state/manifests/*", "state/current.json"]
    check          = ["state/checks/*"]
    summarise      = ["state/runs/*"]
    vacuum         = ["state/manifests/*", "state/current.json"]
  }
  deletes = {
    vacuum = ["silver/*", "state/checks/*", "state/manifests/*"]
  }
  bars = ["quarantine/*", "raw-data/*", "silver/*", "state/*", "symbols/*"]
  reads = {
    update_symbols = ["raw-metadata/*", "state/lake.json", "state/sessions.parquet", "symbols/*"]
    fetch_batch    = local.bars
    refresh        = concat(local.bars, ["raw-metadata/*"])
    check          = local.bars
    summarise      = ["state/*"]
    vacuum         = local.bars
  }
  reads_key = {
    for name in keys(local.packages.functions) :
    name => var.polygon_api_key_parameter != null && contains(["update_symbols", "fetch_batch"], name)
  }
}

resource "aws_iam_role" "this" {
  for_each = local.packages.functions

  name = "${var.name}-${replace(each.key, "_", "-")}"

  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Action    = "sts:AssumeRole"
      Principal = { Service = "lambda.amazonaws.com" }
      Condition = { StringEquals = { "aws:SourceAccount" = data.aws_caller_identity.current.account_id } }
    }]
  })
}

resource "aws_iam_role_policy" "this" {
  for_each = local.packages.functions

  name = "lake"
  role = aws_iam_role.this[each.key].id

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = concat(
      [
        {
          Sid      = "Log"
          Effect   = "Allow"
          Action   = ["logs:CreateLogStream", "logs:PutLogEvents"]
          Resource = ["${aws_cloudwatch_log_group.this[each.key].arn}:log-stream:*"]
        },
        {
          Sid      = "List"
          Effect   = "Allow"
          Action   = ["s3:ListBucket"]
          Resource = [var.bucket_arn]
        },
        {
          Sid      = "Read"
          Effect   = "Allow"
          Action   = ["s3:GetObject"]
          Resource = [for prefix in local.reads[each.key] : "${var.bucket_arn}/${prefix}"]
        },
      ],
      length(local.writes[each.key]) == 0 ? [] : [{
        Sid      = "Write"
        Effect   = "Allow"
        Action   = ["s3:PutObject"]
        Resource = [for prefix in local.writes[each.key] : "${var.bucket_arn}/${prefix}"]
      }],
      !contains(keys(local.deletes), each.key) ? [] : [{
        Sid      = "Delete"
        Effect   = "Allow"
        Action   = ["s3:DeleteObject"]
        Resource = [for prefix in local.deletes[each.key] : "${var.bucket_arn}/${prefix}"]
      }],
      var.kms_key_arn == null ? [] : [{
        Sid      = "Encrypt"
        Effect   = "Allow"
        Action   = ["kms:Decrypt", "kms:GenerateDataKey"]
        Resource = [var.kms_key_arn]
      }],
      !local.reads_key[each.key] ? [] : [{
        Sid      = "Key"
        Effect   = "Allow"
        Action   = ["ssm:GetParameter"]
        Resource = ["arn:${data.aws_partition.current.partition}:ssm:${data.aws_region.current.name}:${data.aws_caller_identity.current.account_id}:parameter${var.polygon_api_key_parameter}"]
      }],
    )
  })
}
