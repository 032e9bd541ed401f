// `varde-alerting` with logins, in a folder of its own, started for a test and stopped by it.
import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const MUNICIPALITIES = fileURLToPath(
  new URL('../../../../rulesets/routing/municipalities.csv', import.meta.url),
);
/** From a cold start on a busy machine. */
const START_WITHIN_MS = 60_000;
const LOOK_MS = 100;

/** What an account was given. */
export interface Given {
  login: string;
  password: string;
  recovery: string[];
}

export class Alerting {
  private constructor(
    readonly url: string,
    private readonly program: string,
    private readonly folder: string,
    private readonly process: ChildProcess,
  ) {}

  /** At a name, since browsers take passkeys for no address of numbers. `varde` is the binary that it lies beside. */
  static async start(varde: string): Promise<Alerting> {
    const program = join(dirname(varde), 'varde-alerting');
    const folder = await mkdtemp(join(tmpdir(), 'varde-alerting-e2e-'));
    const port = await freePort();
    const url = `http://localhost:${port}`;
    await writeFile(join(folder, 'responders.yml'), 'organizations: []\n');
    await writeFile(join(folder, 'alerting.yml'), configuration(folder, port, url));
    const process = spawn(program, ['run', '--config', join(folder, 'alerting.yml')], {
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    let said = '';
    process.stderr.on('data', (chunk: Buffer) => (said += chunk.toString()));
    process.on('error', (error) => (said += String(error)));
    const service = new Alerting(url, program, folder, process);
    const until = Date.now() + START_WITHIN_MS;
    while (!(await isUp(url))) {
      if (process.exitCode !== null || Date.now() > until) {
        await service.stop();
        throw new Error(`${program} does not answer. It said:\n${said}`);
      }
      await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
    }
    return service;
  }

  /** `varde-alerting accounts …`, while it runs. */
  async accounts(...rest: string[]): Promise<string> {
    const all = ['accounts', ...rest, '--config', join(this.folder, 'alerting.yml')];
    return (await promisify(execFile)(this.program, all)).stdout;
  }

  async person(login: string, role: string): Promise<Given> {
    const told = await this.accounts('add', login, '--name', `Navn ${login}`);
    await this.accounts('grant', login, role);
    const line = (name: string) => new RegExp(`^${name}: (.*)$`, 'm').exec(told)?.[1] ?? '';
    return { login, password: line('password'), recovery: line('recovery').split(' ') };
  }

  async stop(): Promise<void> {
    if (this.process.exitCode === null) {
      const exited = new Promise((resolve) => this.process.once('exit', resolve));
      this.process.kill('SIGTERM');
      await exited;
    }
    await rm(this.folder, { recursive: true, force: true });
  }
}

function configuration(folder: string, port: number, url: string): string {
  return `bus: { embedded: { directory: ${folder}/bus } }
data: ${folder}/data
listen: 127.0.0.1:${port}
public_url: ${url}
registry: { municipalities: ${MUNICIPALITIES}, responders: ${folder}/responders.yml }
mail: { from: 'Varde <varde@cert.example>', transport: { directory: { path: ${folder}/mails } } }
cert: { name: KommuneCERT, phone: '+47 22 00 00 00', email: duty@cert.example }
access: { organization: '100000008', passkeys: { rp_id: localhost } }
`;
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

async function isUp(url: string): Promise<boolean> {
  return fetch(`${url}/healthz`).then(
    ({ ok }) => ok,
    () => false,
  );
}
