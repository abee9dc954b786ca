// A real host for tests: `consigne serve` on a free port, over a folder that goes afterwards.

import { type ChildProcess, execFile, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { promisify } from "node:util";

const CONSIGNE = new URL("../../.venv/bin/consigne", import.meta.url).pathname;

export class Host {
  private constructor(
    readonly url: string,
    readonly folder: string,
    private readonly process: ChildProcess,
  ) {}

  static async start(): Promise<Host> {
    const folder = mkdtempSync(join(tmpdir(), "consigne-web-"));
    const words = ["serve", "--listen", "127.0.0.1:0", "--data", join(folder, "data")];
    const process = spawn(CONSIGNE, words, { stdio: ["ignore", "ignore", "pipe"] });
    for await (const line of createInterface({ input: process.stderr })) {
      const url = /Consigne is at (http:\S+)/.exec(line)?.[1];
      if (url) return new Host(url, folder, process);
    }
    throw new Error("the host does not start");
  }

  /** The real command, as somebody with a home folder of his own; what it prints. */
  async command(...words: string[]): Promise<string> {
    const env = { PATH: process.env.PATH ?? "", HOME: this.folder, CONSIGNE_URL: this.url };
    const { stdout } = await promisify(execFile)(CONSIGNE, words, { env });
    return stdout.trim();
  }

  async stop(): Promise<void> {
    const ended = new Promise((resolve) => this.process.once("exit", resolve));
    this.process.kill("SIGTERM");
    await ended;
    rmSync(this.folder, { recursive: true });
  }
}
