/**
 * The keeper of one server: a process that owns a postmaster and the directory it lives in, and outlives whoever asked for them
 * just long enough to clean up.
 *
 * Its standard input is a pipe of which the owner holds the other end and writes nothing. The pipe ends when the owner calls
 * stop(), and also when the owner dies, of whatever: the kernel closes it. Then the keeper stops the postmaster, removes the
 * directory, and exits. It is started in a session of its own, so that a terminal's Ctrl-C reaches the owner only.
 *
 * Plain JavaScript, so that it starts without a compiler. On standard output it says one JSON object a line: `{pid, directory}`
 * once the postmaster runs (it may not be ready), or `{error}` and then it exits.
 *
 * Its argument is JSON: `package` (the server package), `copy` (the server's user cannot reach that), `temporaryRoot`, `major`,
 * `user` ({uid, gid}; absent: the same user), `settings` (by name), `conf` (the same, for postgresql.conf), `from` (a data directory to run a copy of; absent: initdb
 * makes one), `initdb` (more arguments for that), `restarts` (start a postmaster again that was killed by a signal or shut down).
 */
import { spawn } from "node:child_process";
import {
  appendFileSync,
  chmodSync,
  chownSync,
  cpSync,
  lchownSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
} from "node:fs";
import { basename, dirname, join, relative } from "node:path";

/** How long a fast shutdown may take, in ms. It waits for walsenders, and they for their clients: perhaps for ever. */
const patience = 2000;

const config = JSON.parse(process.argv[2]);

const ownerIsGone = new Promise((resolve) => {
  for (const event of ["end", "error", "close"]) process.stdin.on(event, () => resolve());
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, () => resolve());
  process.stdin.resume();
});
process.stdout.on("error", () => {}); // the owner is dead and reads no more

/** @type {string | undefined} */
let directory;
try {
  directory = mkdtempSync(join(config.temporaryRoot, `walwire-${config.major}-`));
  if (config.user) chownSync(directory, config.user.uid, config.user.gid);
  const bin = join(programs(), "bin");
  const data = join(directory, "data");

  if (config.from === undefined) await initialize(bin, data);
  else copyFor(config.from, data);
  chmodSync(data, 0o700);
  const lines = Object.entries(config.conf).map(([name, value]) => `${name} = '${value.replaceAll("'", "''")}'\n`);
  appendFileSync(join(data, "postgresql.conf"), lines.join(""));

  const settings = { unix_socket_directories: directory, ...config.settings };
  const options = Object.entries(settings).flatMap(([name, value]) => ["-c", `${name}=${value}`]);
  const start = () => run(join(bin, "postgres"), ["-D", data, ...options]);
  let postmaster = start();
  say({ pid: postmaster.process.pid, directory });

  let stopped;
  for (;;) {
    stopped = postmaster.exited.then((code) => code ?? "a signal");
    if (config.restarts) postmaster.process.on("exit", () => setTimeout(() => endLeft(data), patience).unref());
    const ending = await Promise.race([ownerIsGone, stopped]);
    if (ending === undefined) break;
    if (!config.restarts || (ending !== "a signal" && ending !== 0)) {
      throw new Error(`postgres ended with ${ending}:\n${postmaster.output()}`);
    }
    // Its other processes have ended too: they had its standard output.
    postmaster = start();
  }
  postmaster.process.kill("SIGINT"); // fast shutdown
  const timer = setTimeout(() => postmaster.process.kill("SIGQUIT"), patience); // immediate shutdown
  await stopped;
  clearTimeout(timer);
} catch (error) {
  say({ error: error.message });
} finally {
  if (directory) rmSync(directory, { recursive: true, force: true, maxRetries: 10 });
  process.stdin.destroy();
}

/** Makes a cluster. It is waited for even when the owner dies meanwhile: under a second, and nothing of it is left half done. */
async function initialize(bin, data) {
  const initdb = run(join(bin, "initdb"), [
    ...["-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"],
    ...(config.initdb ?? []),
  ]);
  if ((await initdb.exited) !== 0) throw new Error(`initdb failed:\n${initdb.output()}`);
}

/** Ends what a killed postmaster has left: in 10, a process may wait for another one that has ended. They are in its data directory. */
function endLeft(data) {
  for (const pid of readdirSync("/proc").filter((name) => /^\d+$/.test(name))) {
    try {
      const [, parent] = /\(postgres\) \w (\d+)/.exec(readFileSync(`/proc/${pid}/stat`, "latin1")) ?? [];
      if (parent === "1" && readlinkSync(`/proc/${pid}/cwd`) === data) process.kill(Number(pid), "SIGKILL");
    } catch {
      // It has ended, or is another user's.
    }
  }
}

/** A copy that belongs to the server's user, without the lock of a running server. Symbolic links stay what they are. */
function copyFor(source, target) {
  const filter = (path) => basename(path) !== "postmaster.pid";
  cpSync(source, target, { recursive: true, verbatimSymlinks: true, filter });
  if (config.user) {
    const { uid, gid } = config.user;
    lchownSync(target, uid, gid);
    for (const path of readdirSync(target, { recursive: true })) lchownSync(join(target, path), uid, gid);
  }
}

/** The directory of bin, lib and share: the package's own, or a copy in ours if that cannot be used as it is. */
function programs() {
  if (!config.copy) {
    try {
      makeLinks(config.package);
      return join(config.package, "native");
    } catch (error) {
      if (!["EACCES", "EPERM", "EROFS"].includes(error.code)) throw error; // else: it is not ours to write
    }
  }
  const native = join(directory, "native");
  copyFor(join(config.package, "native"), native);
  makeLinks(directory);
  return native;
}

/** npm packages hold no symbolic links; pg-symlinks.json says which the libraries need. Several processes may be at it. */
function makeLinks(root) {
  for (const { source, target } of JSON.parse(readFileSync(join(root, "native/pg-symlinks.json"), "utf8"))) {
    try {
      symlinkSync(relative(dirname(target), source), join(root, target));
    } catch (error) {
      if (error.code !== "EEXIST") throw error;
    }
  }
}

/** Runs a program as the server's user. `exited` gives its exit code, null after a signal; `output` is the end of what it said. */
function run(program, args) {
  const child = spawn(program, args, { ...config.user, cwd: "/", stdio: ["ignore", "pipe", "pipe"] });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (text) => {
      output = (output + text).slice(-4000);
    });
  }
  const exited = new Promise((resolve, reject) => {
    child.on("error", reject); // it could not be started
    child.on("close", resolve);
  });
  return { process: child, exited, output: () => output.trim() };
}

function say(message) {
  process.stdout.write(`${JSON.stringify(message)}\n`);
}
