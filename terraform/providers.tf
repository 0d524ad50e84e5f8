provider "aws" {
  region = var.region

  default_tags {
    tags = {
      application = "stockstream"
      environment = var.environment
    }
  }
}
