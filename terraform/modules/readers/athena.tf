# Athena over the batch files, for people without DuckDB. Athena cannot read the manifest, which names the silver files;
# the saved query selects the latest fetch per bar, as the view `bars` does.

locals {
  # The columns of sql/schema/raw.sql in the same order, with Athena's type names.
  columns = [
    ["symbol", "string"],
    ["date", "date"],
    ["open", "double"],
    ["high", "double"],
    ["low", "double"],
    ["close", "double"],
    ["volume", "bigint"],
    ["adjusted_close", "double"],
    ["fetch_timestamp", "string"],
    ["dividend", "double"],
    ["split_ratio", "double"],
    ["source", "string"],
    ["price_basis", "date"],
  ]
  count = var.athena_enabled ? 1 : 0
}

resource "aws_glue_catalog_database" "lake" {
  count = local.count
  name  = replace(var.name, "-", "_")
}

resource "aws_glue_catalog_table" "raw_bars" {
  count         = local.count
  name          = "raw_bars"
  database_name = aws_glue_catalog_database.lake[0].name
  description   = "Every fetched row; a bar may occur several times"
  table_type    = "EXTERNAL_TABLE"
  parameters    = { classification = "parquet" }

  storage_descriptor {
    location      = "s3://${var.bucket}/raw-data/"
    input_format  = "org.apache.hadoop.hive.ql.io.parquet.MapredParquetInputFormat"
    output_format = "org.apache.hadoop.hive.ql.io.parquet.MapredParquetOutputFormat"

    ser_de_info {
      serialization_library = "org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe"
    }

    dynamic "columns" {
      for_each = local.columns

      content {
        name = columns.value[0]
        type = columns.value[1]
      }
    }
  }
}

resource "aws_athena_workgroup" "lake" {
  count         = local.count
  name          = var.name
  description   = "Queries of the lake with a scan limit"
  force_destroy = true

  configuration {
    enforce_workgroup_configuration    = true
    publish_cloudwatch_metrics_enabled = true
    bytes_scanned_cutoff_per_query     = var.athena_scan_limit_gb * 1000000000

    result_configuration {
      output_location = "s3://${var.bucket}/athena-results/"

      encryption_configuration {
        encryption_option = "SSE_S3"
      }
    }
  }
}

resource "aws_athena_named_query" "bars" {
  count       = local.count
  name        = "bars"
  description = "One row per symbol and day: the latest fetch"
  workgroup   = aws_athena_workgroup.lake[0].id
  database    = aws_glue_catalog_database.lake[0].name

  query = <<-SQL
    SELECT symbol, date, open, high, low, close, volume, adjusted_close, dividend, split_ratio, price_basis
    FROM (
        SELECT *, row_number() OVER (PARTITION BY symbol, date ORDER BY fetch_timestamp DESC) AS newest
        FROM raw_bars
        WHERE close IS NOT NULL
    )
    WHERE newest = 1
  SQL
}
