import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const target = process.env['CARGO_TARGET_DIR'] ?? join(homedir(), '.cache/belay/target');
const program = process.env['BELAY_BIN'] ?? join(target, 'debug/belay');
const dist = fileURLToPath(new URL('../../dist', import.meta.url));

/** How a command of the program ended. */
export interface Ran {
  code: number;
  stdout: string;
  stderr: string;
}

/** One responder's machine: a folder with a home, runbooks and things to act on, and the program as it serves a browser. */
export class Belay {
  readonly folder = mkdtempSync(join(tmpdir(), 'belay-browser-'));
  readonly home = join(this.folder, 'home');
  readonly books = join(this.folder, 'books');
  #server: ChildProcess | undefined;
  #address: string | undefined;

  constructor() {
    mkdirSync(this.home);
    mkdirSync(this.books);
  }

  /** A path in the folder, for what a runbook acts on. */
  path(name: string): string {
    return join(this.folder, name);
  }

  /** Writes a runbook into the catalog's directory. */
  book(name: string, text: string): void {
    writeFileSync(join(this.books, `${name}.yaml`), text);
  }

  /** Makes the directory of the runbooks a part of the catalog. */
  async publish(): Promise<void> {
    const ran = await this.run('catalog', 'add', this.books);
    if (ran.code !== 0) {
      throw new Error(`the catalog refuses the runbooks of the test: ${ran.stderr}`);
    }
  }

  /** Runs a command of the program to its end. */
  run(...args: string[]): Promise<Ran> {
    return new Promise((resolve) => {
      execFile(program, [...args, '--no-input'], { env: this.#env() }, (error, stdout, stderr) => {
        const code = error === null ? 0 : typeof error.code === 'number' ? error.code : -1;
        resolve({ code, stdout, stderr });
      });
    });
  }

  /** Where it listens: `127.0.0.1:PORT`. */
  get address(): string {
    if (this.#address === undefined) {
      throw new Error('belay does not serve yet');
    }
    return this.#address;
  }

  /** The process that serves. */
  get pid(): number {
    if (this.#server?.pid === undefined) {
      throw new Error('belay does not serve yet');
    }
    return this.#server.pid;
  }

  /** Serves, at the address of the time before if there was one; answers the one-time link. */
  async serve(): Promise<string> {
    const listen = this.#address ?? '127.0.0.1:0';
    const server = spawn(program, ['web', '--listen', listen, '--ui', dist, '--json'], {
      env: this.#env(),
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.#server = server;
    let complaints = '';
    server.stderr.on('data', (text: Buffer) => {
      complaints += text.toString();
    });
    const lines = createInterface({ input: server.stdout });
    const first = await Promise.race([
      once(lines, 'line').then(([line]) => String(line)),
      once(server, 'exit').then(([code]) => {
        throw new Error(`belay web ended with ${String(code)}: ${complaints}`);
      }),
      once(server, 'error').then(([error]) => {
        throw error as Error;
      }),
    ]);
    const told = JSON.parse(first) as { url: string; listen: string };
    this.#address = told.listen;
    return told.url;
  }

  /** Ends the server as a crash would. */
  async kill(): Promise<void> {
    await this.#end('SIGKILL');
  }

  /** Ends the server as Ctrl-C does. */
  async stop(): Promise<void> {
    await this.#end('SIGTERM');
  }

  /** Ends what it started, and removes what it wrote. */
  async remove(): Promise<void> {
    await this.stop();
    rmSync(this.folder, { recursive: true, force: true });
  }

  async #end(signal: 'SIGKILL' | 'SIGTERM'): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    if (server === undefined || server.exitCode !== null || server.signalCode !== null) {
      return;
    }
    const gone = once(server, 'exit');
    server.kill(signal);
    const late = setTimeout(() => server.kill('SIGKILL'), 20_000);
    await gone;
    clearTimeout(late);
  }

  #env(): NodeJS.ProcessEnv {
    return {
      PATH: process.env['PATH'],
      HOME: this.folder,
      BELAY_HOME: this.home,
      BELAY_RESPONDER: 'alice',
      // No test asks the keyring of whoever runs it.
      BELAY_KEYRING: 'off',
      LANG: 'C.UTF-8',
      TZ: 'UTC',
    };
  }
}
