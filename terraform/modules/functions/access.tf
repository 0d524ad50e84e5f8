# What each function may do: read and write what its code reads and writes. Only `vacuum` may delete, and nothing that a
# source has delivered: generations, and their files and findings; `publish_serving` deletes old serving files. S3 keeps what
# they delete as a version. The functions of the speed layer and of the serving layer have their rights in
# modules/speed/access.tf and modules/serving/access.tf.

locals {
  # The pointer has lists of symbols/ and quarantine/, so that a function which adds to these writes it, too. Who writes it
  # reads whether there are raw events.
  writes = {
    update_symbols  = ["symbols/*", "raw-metadata/*", "state/current.json", "state/lake.json", "state/sessions.parquet"]
    fetch_batch     = ["quarantine/*", "raw-data/*", "state/current.json", "state/runs/*"]
    refresh         = ["silver/*", "state/manifests/*", "state/current.json", "state/history.json"]
    check           = ["state/checks/*"]
    step_accounts   = []
    send_alerts     = var.alert_topic_arn == null ? [] : ["live/*"]
    publish_serving = var.serving_enabled ? ["serving/*"] : []
    summarise       = ["state/runs/*"]
    vacuum          = ["state/manifests/*", "state/current.json", "state/history.json"]
  }
  # Serving files are derived from a generation, and no part of it.
  deletes = {
    publish_serving = var.serving_enabled ? ["serving/*"] : []
    vacuum          = ["silver/*", "state/checks/*", "state/manifests/*"]
  }
  # The manifests are read if the pointer is damaged or not that of the newest one.
  generation = ["state/current.json", "state/lake.json", "state/manifests/*"]
  bars       = concat(local.generation, ["raw-data/*", "silver/*"])
  reads = {
    update_symbols  = ["raw-metadata/*", "raw_events/marker.json", "state/current.json", "state/lake.json", "state/sessions.parquet", "symbols/*"]
    fetch_batch     = concat(local.bars, ["quarantine/*", "raw_events/marker.json", "state/runs/*", "symbols/*"])
    refresh         = concat(local.bars, ["raw-metadata/*", "raw_events/marker.json", "state/history.json", "state/sessions.parquet", "symbols/*"])
    check           = concat(local.bars, ["state/checks/*", "state/sessions.parquet"])
    step_accounts   = ["state/lake.json"]
    send_alerts     = var.alert_topic_arn == null ? ["state/lake.json"] : concat(local.bars, ["live/*", "state/sessions.parquet"])
    publish_serving = var.serving_enabled ? concat(local.bars, ["serving/*", "state/sessions.parquet", "symbols/*", "quarantine/*", "raw_events/marker.json"]) : ["state/lake.json"]
    summarise       = ["state/lake.json", "state/runs/*"]
    # The indexes of the files of two tables are in the pointer, which vacuum writes again if it is damaged.
    vacuum = concat(local.generation, ["raw_events/marker.json", "silver/bars/*", "silver/metadata/*", "state/history.json", "state/sessions.parquet"])
  }
  # Steps that do nothing here.
  off = [for name, is_on in { send_alerts = var.alert_topic_arn != null, publish_serving = var.serving_enabled } : name if !is_on]

  reads_key = {
    for name in keys(local.functions) :
    name => var.polygon_api_key_parameter != null && contains(["update_symbols", "fetch_batch", "publish_live"], name)
  }
}

resource "aws_iam_role" "this" {
  for_each = local.functions

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
  for_each = local.functions

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
      ],
      contains(local.off, each.key) || contains(["serve_sockets", "push_live"], each.key) ? [] : [{
        # Without it, S3 answers 403 instead of 404 for an object that does not exist.
        Sid      = "List"
        Effect   = "Allow"
        Action   = ["s3:ListBucket"]
        Resource = [var.bucket_arn]
      }],
      !contains(keys(local.reads), each.key) ? [] : [{
        Sid      = "Read"
        Effect   = "Allow"
        Action   = ["s3:GetObject"]
        Resource = [for prefix in local.reads[each.key] : "${var.bucket_arn}/${prefix}"]
      }],
      length(lookup(local.writes, each.key, [])) == 0 ? [] : [{
        Sid      = "Write"
        Effect   = "Allow"
        Action   = ["s3:PutObject"]
        Resource = [for prefix in local.writes[each.key] : "${var.bucket_arn}/${prefix}"]
      }],
      length(lookup(local.deletes, each.key, [])) == 0 ? [] : [{
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
      each.key != "send_alerts" || var.alert_topic_arn == null ? [] : [{
        Sid      = "Alert"
        Effect   = "Allow"
        Action   = ["sns:Publish"]
        Resource = [var.alert_topic_arn]
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
