# The producer's own role, and that with which Fargate starts it.

resource "aws_iam_role" "producer" {
  name               = "${var.name}-producer"
  assume_role_policy = local.assumed_by["ecs-tasks.amazonaws.com"]
}

resource "aws_iam_role_policy" "producer" {
  name = "produce"
  role = aws_iam_role.producer.id

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = concat(
      local.lake.producer,
      [
        { Sid = "List", Effect = "Allow", Action = ["s3:ListBucket"], Resource = [var.bucket_arn] },
        {
          Sid      = "Stream"
          Effect   = "Allow"
          Action   = ["kinesis:DescribeStreamSummary", "kinesis:PutRecords"]
          Resource = [aws_kinesis_stream.events.arn]
        },
      ],
      [
        for key in var.kms_key_arn[*] :
        { Sid = "Encrypt", Effect = "Allow", Action = ["kms:Decrypt", "kms:GenerateDataKey"], Resource = [key] }
      ],
    )
  })
}

resource "aws_iam_role" "execution" {
  name               = "${var.name}-producer-start"
  assume_role_policy = local.assumed_by["ecs-tasks.amazonaws.com"]
}

resource "aws_iam_role_policy" "execution" {
  name = "start"
  role = aws_iam_role.execution.id

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = concat(
      [
        {
          # A token has no resource.
          Sid      = "Token"
          Effect   = "Allow"
          Action   = ["ecr:GetAuthorizationToken"]
          Resource = ["*"]
        },
        {
          Sid      = "Image"
          Effect   = "Allow"
          Action   = ["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"]
          Resource = [aws_ecr_repository.producer.arn]
        },
        {
          Sid      = "Log"
          Effect   = "Allow"
          Action   = ["logs:CreateLogStream", "logs:PutLogEvents"]
          Resource = ["${aws_cloudwatch_log_group.producer.arn}:log-stream:*"]
        },
      ],
      [
        for secret in local.secrets :
        { Sid = "Key", Effect = "Allow", Action = ["ssm:GetParameters"], Resource = [secret.valueFrom] }
      ],
    )
  })
}
