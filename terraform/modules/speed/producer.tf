# The producer: one task on Fargate with the vendor's one connection, from before the opening until the bars are final. It
# is started by hand if `schedule_enabled` is false: aws ecs update-service --desired-count 1.

locals {
  count  = var.producer.image == null ? 0 : 1
  health = ["CMD", "python", "-m", "stockstream.pipeline.live.heartbeat"]
  command = [
    "stream", "--source", var.producer.source, "--to", "kinesis:${aws_kinesis_stream.events.name}",
    "--linger", tostring(var.producer.linger), "--wait",
  ]
  # Under this name the key makes the program use Massive's hosts, as Polygon has been called since 2025.
  secrets = [
    for name in var.polygon_api_key_parameter[*] :
    { name = "MASSIVE_API_KEY", valueFrom = "${local.prefix}:ssm:${data.aws_region.current.name}:${local.account}:parameter${name}" }
  ]
}

# Images can be built again from the checkout.
resource "aws_ecr_repository" "producer" {
  name                 = "${var.name}-producer"
  image_tag_mutability = "IMMUTABLE"
  force_delete         = true

  image_scanning_configuration {
    scan_on_push = true
  }
}

resource "aws_ecr_lifecycle_policy" "producer" {
  repository = aws_ecr_repository.producer.name

  policy = jsonencode({
    rules = [{
      rulePriority = 1
      description  = "The newest five, to go back to"
      selection    = { tagStatus = "any", countType = "imageCountMoreThan", countNumber = 5 }
      action       = { type = "expire" }
    }]
  })
}

resource "aws_cloudwatch_log_group" "producer" {
  name              = "/aws/ecs/${var.name}-producer"
  retention_in_days = var.log_retention_days
}

resource "aws_ecs_cluster" "producer" {
  name = "${var.name}-live"
}

resource "aws_ecs_task_definition" "producer" {
  count = local.count

  family                   = "${var.name}-producer"
  requires_compatibilities = ["FARGATE"]
  network_mode             = "awsvpc"
  cpu                      = var.producer.cpu
  memory                   = var.producer.memory
  execution_role_arn       = aws_iam_role.execution.arn
  task_role_arn            = aws_iam_role.producer.arn

  runtime_platform {
    operating_system_family = "LINUX"
    cpu_architecture        = upper(var.architecture)
  }

  volume {
    name = "tmp"
  }

  container_definitions = jsonencode([{
    name                   = "producer"
    image                  = var.producer.image
    essential              = true
    command                = local.command
    readonlyRootFilesystem = true
    stopTimeout            = 60
    mountPoints            = [{ sourceVolume = "tmp", containerPath = "/tmp", readOnly = false }]
    environment            = [for name in sort(keys(var.environment)) : { name = name, value = var.environment[name] }]
    secrets                = local.secrets
    # That of the image is not used by ECS.
    healthCheck = { command = local.health, interval = 30, timeout = 5, retries = 3, startPeriod = 60 }

    logConfiguration = {
      logDriver = "awslogs"
      options = {
        awslogs-group         = aws_cloudwatch_log_group.producer.name
        awslogs-region        = data.aws_region.current.name
        awslogs-stream-prefix = "producer"
      }
    }
  }])
}

resource "aws_ecs_service" "producer" {
  count = local.count

  name            = "${var.name}-producer"
  cluster         = aws_ecs_cluster.producer.id
  task_definition = aws_ecs_task_definition.producer[0].arn
  launch_type     = "FARGATE"
  desired_count   = 0

  # The old task ends before the new one begins: the vendor allows one connection.
  deployment_minimum_healthy_percent = 0
  deployment_maximum_percent         = 100

  deployment_circuit_breaker {
    enable   = true
    rollback = true
  }

  network_configuration {
    subnets          = local.subnets
    security_groups  = [aws_security_group.producer.id]
    assign_public_ip = var.network.public_ip
  }

  lifecycle {
    ignore_changes = [desired_count] # the schedule's
  }
}

# From before the opening until the bars are final: outside of these hours, a task would only wait, and cost.
resource "aws_scheduler_schedule" "producer" {
  for_each = local.count == 0 ? {} : { start = 1, stop = 0 }

  name                         = "${var.name}-producer-${each.key}"
  description                  = "Sets the number of producers to ${each.value}"
  state                        = var.schedule_enabled ? "ENABLED" : "DISABLED"
  schedule_expression          = local.market[each.key]
  schedule_expression_timezone = local.market.timezone

  flexible_time_window {
    mode = "OFF"
  }

  target {
    arn      = "${local.prefix}:scheduler:::aws-sdk:ecs:updateService"
    role_arn = aws_iam_role.schedule.arn
    input    = jsonencode({ Cluster = aws_ecs_cluster.producer.name, Service = aws_ecs_service.producer[0].name, DesiredCount = each.value })

    retry_policy {
      maximum_event_age_in_seconds = 3600
      maximum_retry_attempts       = 10
    }
  }

  depends_on = [aws_iam_role_policy.schedule]
}
