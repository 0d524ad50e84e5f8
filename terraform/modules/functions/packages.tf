# The zip files, built by `make packages` when their contents change. Their names contain the checksum of their inputs,
# computed in the same way here and in packages.py, so that a plan knows the names before the files are built.

locals {
  root     = "${path.module}/../../.."
  packages = jsondecode(file("${path.module}/../../packages.json"))
  known    = merge(local.packages.functions, local.packages.live_functions, local.packages.serving_functions)
  folder   = "${local.root}/build/packages/${var.architecture}-${var.python_version}"

  # Those of the speed layer and of the serving layer only if there is one; websockets need both.
  is_live = var.live_environment != null
  functions = {
    for name, function in local.known : name => function
    if contains(keys(local.packages.functions), name)
    || contains(keys(local.packages.live_functions), name) && local.is_live
    || contains(keys(local.packages.serving_functions), name) && var.serving_enabled && (local.is_live || name == "serve_http")
  }

  code = [
    for path in sort(tolist(fileset(local.root, "{analytics,pipeline,sql}/**/*.{css,csv,jinja,js,json,LICENSE,lock,parquet,py,sql,svg}"))) :
    path if !strcontains(path, "/.")
  ]
  # Beside pipeline and sql, a function has the folders of our code that it names.
  folders = { for name, function in local.known : name => concat(["pipeline", "sql"], lookup(function, "folders", [])) }
  # A function's package contains its own step and handler, and the parts of the step, not those of other functions.
  owner = merge(flatten([
    for name, function in local.known : [
      for step in concat([name], lookup(function, "parts", [])) : {
        "pipeline/handlers/${step}.py" = name
        "pipeline/steps/${step}.py"    = name
      }
    ]
  ])...)
  checksum = { for path in local.code : path => filesha256("${local.root}/${path}") }

  function_versions = {
    for name in keys(local.functions) : name => substr(sha256(join("", [
      for path in local.code : "${path} ${local.checksum[path]}\n"
      if lookup(local.owner, path, name) == name && contains(local.folders[name], split("/", path)[0])
    ])), 0, 16)
  }
  layer_versions = {
    for name in keys(local.packages.layers) : name => substr(sha256(join(" ", [
      var.architecture,
      var.python_version,
      filesha256("${local.root}/requirements.lock"),
      filesha256("${path.module}/../../packages.py"),
      name,
      jsonencode(local.packages.layers), # a layer lacks what others have
    ])), 0, 16)
  }
}

resource "terraform_data" "packages" {
  triggers_replace = [local.function_versions, local.layer_versions]

  provisioner "local-exec" {
    working_dir = local.root
    command     = "make packages ARCHITECTURE=${var.architecture} LAMBDA_PYTHON=${var.python_version}"
  }
}

resource "aws_lambda_layer_version" "this" {
  for_each = local.layer_versions

  layer_name               = "${var.name}-${each.key}"
  description              = "Libraries of stockstream, ${each.value}"
  filename                 = "${local.folder}/${each.key}-${each.value}.zip"
  source_code_hash         = each.value
  compatible_architectures = [var.architecture]
  compatible_runtimes      = ["python${var.python_version}"]

  depends_on = [terraform_data.packages]

  lifecycle {
    create_before_destroy = true
  }
}
