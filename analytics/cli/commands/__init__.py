"""The commands: one module per command, or per group of related commands. Importing a module registers its commands."""
