// The real program for a test file: started on a free port and a folder of its own, stopped at the end.

import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const BINARY = process.env.CAUCE_BINARY ?? join(ROOT, 'target/debug/cauce');

/** Waits for a condition and returns its value; what never comes true is a failure. */
export async function until(condition, what, seconds = 30) {
  const deadline = Date.now() + seconds * 1000;
  while (Date.now() < deadline) {
    const value = await condition();
    if (value) return value;
    await pause(20);
  }
  assert.fail(`${what}: not within ${seconds} s`);
}

/** A free port below the range from which clients draw theirs. */
async function freePort() {
  for (let tries = 0; tries < 200; tries += 1) {
    const port = 20000 + Math.floor(Math.random() * 12768);
    const free = await new Promise((resolve) => {
      const probe = createServer();
      probe.once('error', () => resolve(false));
      probe.listen(port, '127.0.0.1', () => probe.close(() => resolve(true)));
    });
    if (free) return port;
  }
  throw new Error('no free port below 32768');
}

/** Starts the program; `stop` ends it and says how it ended. */
export async function start() {
  const folder = mkdtempSync(join(tmpdir(), 'cauce-javascript-'));
  const port = await freePort();
  const log = openSync(join(folder, 'server.log'), 'a');
  const args = ['serve', '--data', join(folder, 'data'), '--listen', `127.0.0.1:${port}`];
  const child = spawn(BINARY, args, { env: { PATH: process.env.PATH }, stdio: ['ignore', log, log] });
  const ended = new Promise((resolve) => child.once('exit', resolve));
  await until(async () => {
    assert.equal(child.exitCode, null, readFileSync(join(folder, 'server.log'), 'utf8'));
    return readFileSync(join(folder, 'server.log'), 'utf8').includes('serving on ');
  }, 'the server to serve');
  return {
    folder,
    /** What every client is made with; it repeats nothing. */
    client: {
      endpoint: `http://127.0.0.1:${port}`,
      region: 'us-east-1',
      credentials: { accessKeyId: 'test', secretAccessKey: 'test' },
      maxAttempts: 1,
      forcePathStyle: true,
    },
    async stop() {
      child.kill('SIGTERM');
      const code = await ended;
      rmSync(folder, { recursive: true });
      return code;
    },
  };
}

function crc32(bytes) {
  let crc = ~0;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit += 1) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0);
  }
  return ~crc >>> 0;
}

/** A zip of one executable file, stored as it is. */
function zip(name, content) {
  const fields = Buffer.alloc(26);
  fields.writeUInt16LE(20, 0);
  fields.writeUInt32LE(crc32(content), 10);
  fields.writeUInt32LE(content.length, 14);
  fields.writeUInt32LE(content.length, 18);
  fields.writeUInt16LE(name.length, 22);
  const local = Buffer.concat([Buffer.from('PK\x03\x04'), fields, Buffer.from(name), content]);
  const attributes = Buffer.alloc(14);
  attributes.writeUInt32LE((0o100755 << 16) >>> 0, 6);
  const madeByUnix = Buffer.from([20, 3]);
  const entry = Buffer.concat([Buffer.from('PK\x01\x02'), madeByUnix, fields, attributes, Buffer.from(name)]);
  const end = Buffer.alloc(18);
  end.writeUInt16LE(1, 4);
  end.writeUInt16LE(1, 6);
  end.writeUInt32LE(entry.length, 8);
  end.writeUInt32LE(local.length, 12);
  return Buffer.concat([local, entry, Buffer.from('PK\x05\x06'), end]);
}

/** The package of the test function, built anew in `folder`. */
export function compileBootstrap(folder) {
  const binary = join(folder, 'bootstrap');
  const source = join(ROOT, 'tests/functions/bootstrap.rs');
  execFileSync('rustc', ['-O', '--edition', '2024', '-C', 'strip=symbols', '-o', binary, source]);
  return zip('bootstrap', readFileSync(binary));
}
