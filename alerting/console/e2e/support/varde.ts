// The real thing: `varde up --demo` started for a test and stopped by it.
import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** From a cold start on a busy machine; the demo itself promises less. */
const START_WITHIN_MS = 60_000;
const STOP_WITHIN_MS = 20_000;

export class Varde {
  private constructor(
    readonly url: string,
    private readonly process: ChildProcess,
    private readonly exited: Promise<number | null>,
    private readonly data: string,
    private readonly output: string[],
  ) {}

  static async start(binary: string): Promise<Varde> {
    const data = await mkdtemp(join(tmpdir(), 'varde-e2e-'));
    const process = spawn(binary, ['up', '--demo', '--listen', '127.0.0.1:0', '--data', data], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const output: string[] = [];
    const exited = new Promise<number | null>((resolve) => {
      process.on('exit', resolve);
      process.on('error', (error) => {
        output.push(String(error));
        resolve(null);
      });
    });
    const told = new Promise<string>((resolve) => {
      let stdout = '';
      process.stdout.on('data', (chunk: Buffer) => {
        stdout += chunk.toString();
        output.push(chunk.toString());
        const found = /http:\/\/127\.0\.0\.1:\d+(?=\D)/.exec(stdout);
        if (found !== null) resolve(found[0]);
      });
      process.stderr.on('data', (chunk: Buffer) => output.push(chunk.toString()));
    });
    const url = await Promise.race([told, exited.then(() => null), after(START_WITHIN_MS)]);
    if (url === null) {
      process.kill('SIGKILL');
      await rm(data, { recursive: true, force: true });
      throw new Error(`${binary} up --demo told no address. It said:\n${output.join('')}`);
    }
    return new Varde(url, process, exited, data, output);
  }

  /** Interrupts it as Ctrl-C does. Returns its exit code, or null when it had to be killed. */
  async stop(): Promise<number | null> {
    if (this.process.exitCode === null) this.process.kill('SIGINT');
    const code = await Promise.race([this.exited, after(STOP_WITHIN_MS)]);
    if (code === null) this.process.kill('SIGKILL');
    await rm(this.data, { recursive: true, force: true });
    return code;
  }

  /** What it has printed, for the one who reads a failed test. */
  get said(): string {
    return this.output.join('');
  }

  async get<T>(path: string): Promise<T> {
    const response = await fetch(this.url + path);
    if (!response.ok) throw new Error(`GET ${path}: ${response.status} ${await response.text()}`);
    return (await response.json()) as T;
  }
}

function after(milliseconds: number): Promise<null> {
  return new Promise((resolve) => {
    setTimeout(resolve, milliseconds, null).unref();
  });
}
