# Where the producer runs. It only opens connections, to the vendor and to AWS: nothing can connect to it. By default these
# are the public subnets of the account's default VPC, since a NAT gateway costs more than all the rest.

data "aws_vpc" "chosen" {
  id      = var.network.vpc_id
  default = var.network.vpc_id == null ? true : null
}

data "aws_subnets" "of_the_vpc" {
  count = var.network.subnet_ids == null ? 1 : 0

  filter {
    name   = "vpc-id"
    values = [data.aws_vpc.chosen.id]
  }
}

locals {
  subnets = var.network.subnet_ids == null ? data.aws_subnets.of_the_vpc[0].ids : var.network.subnet_ids
}

resource "aws_security_group" "producer" {
  name        = "${var.name}-producer"
  description = "The producer of live events: HTTPS and websockets outwards, nothing inwards"
  vpc_id      = data.aws_vpc.chosen.id
}

resource "aws_vpc_security_group_egress_rule" "producer" {
  security_group_id = aws_security_group.producer.id
  description       = "The vendor and AWS"
  ip_protocol       = "tcp"
  from_port         = 443
  to_port           = 443
  cidr_ipv4         = "0.0.0.0/0"
}
