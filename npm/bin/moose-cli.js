#!/usr/bin/env node
// Finds the Python command `moose-cli` and becomes it, as far as a parent process can: same arguments, same
// terminal, same exit code, same signals. No dependencies, no install script.
"use strict";

const { spawn } = require("node:child_process");
const { accessSync, constants, realpathSync, statSync } = require("node:fs");
const os = require("node:os");
const path = require("node:path");

const NAME = "moose-cli";
const CANNOT_EXECUTE = 126;
const NOT_FOUND = 127;

function isExecutable(file) {
  try {
    accessSync(file, constants.X_OK);
    return statSync(file).isFile();
  } catch {
    return false;
  }
}

// npm puts links to this very file on PATH, under node_modules/.bin or, installed globally, beside node.
// Executing one of those would start this file again, for ever.
function isThisPackage(file) {
  const parts = path.dirname(file).split(path.sep);
  return parts.slice(-2).join("/") === "node_modules/.bin" || realpathSync(file) === realpathSync(__filename);
}

function* upwards(directory) {
  yield directory;
  const parent = path.dirname(directory);
  if (parent !== directory) yield* upwards(parent);
}

function* candidates(env, cwd) {
  if (env.VIRTUAL_ENV) yield path.join(env.VIRTUAL_ENV, "bin", NAME);
  for (const directory of upwards(cwd)) {
    yield path.join(directory, ".venv", "bin", NAME);
    yield path.join(directory, "venv", "bin", NAME);
  }
  for (const directory of (env.PATH || "").split(path.delimiter)) {
    if (directory) yield path.resolve(cwd, directory, NAME);
  }
}

function findCommand(env, cwd) {
  for (const file of candidates(env, cwd)) {
    if (isExecutable(file) && !isThisPackage(file)) return file;
  }
  return null;
}

function fail(code, error, hint) {
  process.stderr.write(`error: ${error}\nhint: ${hint}\n`);
  process.exitCode = code;
}

function execute(command) {
  let child = null;
  for (const signal of ["SIGTERM", "SIGHUP"]) {
    process.on(signal, () => child && child.kill(signal));
  }
  // A terminal sends SIGINT to the command as well: a second one would mean "stop at once" there. This process only
  // has to outlive the command, to pass its exit code on.
  process.on("SIGINT", () => {});

  child = spawn(command, process.argv.slice(2), { stdio: "inherit" });
  child.on("error", (error) => {
    fail(CANNOT_EXECUTE, `cannot execute ${command}: ${error.message}`, "reinstall it: pip install --force-reinstall moose-workflows");
  });
  child.on("exit", (code, signal) => process.exit(signal ? 128 + os.constants.signals[signal] : code));
}

function main() {
  const named = process.env.MOOSE_CLI_BIN;
  if (named && !isExecutable(named)) {
    fail(NOT_FOUND, `MOOSE_CLI_BIN names ${named}, which is not an executable file`, "unset MOOSE_CLI_BIN");
    return;
  }
  const command = named || findCommand(process.env, process.cwd());
  if (command) {
    execute(command);
  } else {
    fail(
      NOT_FOUND,
      `the Python command ${NAME} is not in a virtual environment (.venv or venv, here or above) and not on PATH`,
      "python3 -m venv .venv && .venv/bin/pip install moose-workflows",
    );
  }
}

main();
