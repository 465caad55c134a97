// A whole mall of the program that was built, on ports of its own: on the embedded default in a folder of its own, or on real
// Kafka and MariaDB with a topic, a group and a database of its own.

import { spawn, spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const PROGRAM = process.env.MALL_TEST_PROGRAM ?? fileURLToPath(new URL("../../../target/debug/mall", import.meta.url));
const FREE_PORTS = ["--order-port=0", "--delivery-port=0", "--gateway-port=0"];
/** After so long something hangs. */
const DEADLINE = 60_000;

let next = 0;

/** The embedded default. */
export function embedded(folder) {
  return { options: ["--data", join(folder, "data")], end: () => {} };
}

/** What `scripts/services` has started; `source target/services/env` says where that is. */
export function real() {
  const name = `page-${process.pid}-${next++}`;
  const [kafka, mysql] = ["MALL_TEST_KAFKA", "MALL_TEST_MYSQL"].map(required);
  const options = [
    ...["--bootstrap-server", kafka, "--topic", `kafka.scaling.${name}`, "--group", `delivery-${name}`],
    ...["--database-url", `${mysql}/mall-${name}`],
  ];
  return { options, end: () => drop(mysql, `mall-${name}`) };
}

function required(name) {
  const value = process.env[name];
  if (!value) throw new Error(`${name} is not set: run scripts/services start, and source target/services/env`);
  return value;
}

function drop(mysql, database) {
  const { hostname, port, username, password } = new URL(mysql);
  const where = ["--protocol=tcp", "-h", hostname, "-P", port || "3306", "-u", username];
  const env = { ...process.env, MYSQL_PWD: decodeURIComponent(password) };
  spawnSync("mariadb", [...where, "-e", `drop database if exists \`${database}\``], { env });
}

/**
 * Starts `mall up`, with these variables beside the options; `url` is that of its gateway. `stop` ends it in good order and removes
 * what it has left.
 */
export async function startMall(stack, options, variables = {}) {
  if (!existsSync(PROGRAM))
    throw new Error(`${PROGRAM} is not there: build it (cargo build), or say where it is with MALL_TEST_PROGRAM`);
  const folder = mkdtempSync(join(tmpdir(), "mall-page-"));
  const { options: where, end } = stack(folder);
  const others = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith("MALL_")));
  const env = { ...others, ...variables };
  const child = spawn(PROGRAM, ["up", ...where, ...FREE_PORTS, ...options], { cwd: folder, env });
  const told = new Lines(child);
  const ended = new Promise((done) => child.on("exit", done));
  const stop = async () => {
    child.kill("SIGINT");
    await ended;
    end();
    rmSync(folder, { recursive: true, force: true });
  };
  try {
    const line = await told.wait(/gateway {5}(http:\/\/[\w.]+:\d+)/);
    await told.wait(/order .* on http:/);
    await told.wait(/gateway .* on http:/);
    return { url: `${line[1]}/`, told, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** What a process says, to wait for. */
class Lines {
  constructor(child) {
    this.text = "";
    this.waiting = new Set();
    for (const stream of [child.stdout, child.stderr])
      stream.setEncoding("utf8").on("data", (text) => this.heard(text));
    child.on("exit", () => this.heard("\n(it has ended)\n"));
  }

  heard(text) {
    this.text += text;
    for (const look of this.waiting) look();
  }

  /** The match, once something said matches. */
  wait(pattern) {
    return new Promise((done, failed) => {
      const look = () => {
        const found = pattern.exec(this.text);
        if (!found) return;
        clearTimeout(late);
        this.waiting.delete(look);
        done(found);
      };
      const late = setTimeout(() => {
        this.waiting.delete(look);
        failed(new Error(`${pattern} was not said, but:\n${this.text}`));
      }, DEADLINE);
      this.waiting.add(look);
      look();
    });
  }
}
