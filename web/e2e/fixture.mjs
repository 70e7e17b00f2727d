// Starts what the browser tests need: a console over made-up data, the real binary, and a browser.
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';

const BINARY = process.env.HAILSTREAM_BINARY ?? fileURLToPath(new URL('../../target/release/hailstream', import.meta.url));
const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** How long the fixture may take to start, in milliseconds: it may have to be compiled first. */
const START_MS_MAX = 600_000;

/**
 * A console in `mode`, on a free port or the given one: the program named by HAILSTREAM_FIXTURE, else built from the sources.
 * The known set can also be served by someone else: HAILSTREAM_CONSOLE then names its address.
 */
export async function startConsole(mode, port = 0) {
  if (mode === 'known' && !port && process.env.HAILSTREAM_CONSOLE) return { url: process.env.HAILSTREAM_CONSOLE, stop: async () => {} };
  const program = process.env.HAILSTREAM_FIXTURE;
  const options = ['--mode', mode, '--port', String(port)];
  const build = ['run', '--quiet', '-p', 'console', '--example', 'fixture', '--', ...options];
  const child = program ? spawn(program, options, { cwd: ROOT }) : spawn('cargo', build, { cwd: ROOT });
  const said = [];
  child.stderr.on('data', (chunk) => said.push(chunk));
  const url = await new Promise((resolve, reject) => {
    const late = setTimeout(() => reject(new Error(`the fixture did not start: ${said.join('')}`)), START_MS_MAX);
    child.stdout.on('data', (chunk) => {
      const address = /listening on (\S+)/.exec(String(chunk));
      if (!address) return;
      clearTimeout(late);
      resolve(address[1]);
    });
    child.on('error', reject);
    child.on('exit', (code) => reject(new Error(`the fixture ended with ${code}: ${said.join('')}`)));
  });
  return { url, stop: () => end(child, 'SIGKILL') };
}

/** A demo of the real binary on free ports, with its files in `folder` under `name`; HAILSTREAM_BINARY names its program. */
export async function startDemo(folder, name, ...options) {
  const addresses = join(folder, `${name}.json`);
  const ports = ['--aws-port', '0', '--search-port', '0', '--console-port', '0', '--addresses-file', addresses];
  const child = spawn(BINARY, ['demo', '--headless', '--data-dir', join(folder, name), ...ports, ...options], { stdio: ['ignore', 'ignore', 'pipe'] });
  const said = [];
  child.stderr.on('data', (chunk) => said.push(chunk));
  for (let i = 0; i < 600 && !existsSync(addresses); i++) {
    if (child.exitCode !== null) throw new Error(`the platform ended with ${child.exitCode}: ${said.join('')}`);
    await wait(50);
  }
  return { url: JSON.parse(readFileSync(addresses, 'utf8')).console, stop: () => end(child, 'SIGINT') };
}

/** Ends a program, and waits until it has ended. */
function end(child, signal) {
  return new Promise((resolve) => {
    if (child.exitCode !== null || child.signalCode !== null) return resolve();
    child.on('exit', resolve);
    child.kill(signal);
  });
}

/** A browser with a profile of its own, started with `options` beside; CHROMIUM names its program. */
export async function startBrowser(options = {}) {
  const profile = mkdtempSync(join(tmpdir(), 'hailstream-browser-'));
  const context = await chromium.launchPersistentContext(profile, {
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    headless: true,
    args: [
      '--no-sandbox',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
      '--use-gl=angle',
      '--use-angle=swiftshader',
      '--enable-unsafe-swiftshader',
    ],
    viewport: { width: 1600, height: 1000 },
    ...options,
  });
  const stop = async () => {
    await context.close();
    rmSync(profile, { recursive: true, force: true });
  };
  return { browser: context, stop };
}

/** A page at `url` that remembers everything that went wrong in it, and every origin it asked; `zone` is that of its clock. */
export async function openPage(browser, url, { width = 1600, height = 1000, scheme = 'light', zone } = {}) {
  const page = await browser.newPage();
  await page.setViewportSize({ width, height });
  await page.emulateMedia({ colorScheme: scheme, reducedMotion: 'reduce' });
  if (zone) await (await browser.newCDPSession(page)).send('Emulation.setTimezoneOverride', { timezoneId: zone });
  const errors = [];
  const origins = new Set();
  page.on('pageerror', (error) => errors.push(String(error)));
  page.on('console', (message) => message.type() === 'error' && errors.push(message.text()));
  page.on('dialog', (dialog) => {
    errors.push(`dialog: ${dialog.message()}`);
    void dialog.dismiss();
  });
  page.on('request', (request) => {
    const { protocol, origin } = new URL(request.url());
    if (!['data:', 'blob:'].includes(protocol)) origins.add(origin);
  });
  await page.goto(url);
  return { page, errors, origins };
}

/**
 * For the tests of a file: one browser for all of them, and for each a console in the mode that it names and a page of that
 * console, at `address` unless the test names another.
 */
export function overConsole(address = '') {
  let started;
  before(async () => {
    started = await startBrowser();
  });
  after(() => started?.stop());
  return async (mode, act, { hash = address, ...shape } = {}) => {
    const served = await startConsole(mode);
    const opened = await openPage(started.browser, `${served.url}/${hash}`, shape);
    try {
      await act({ ...opened, served });
    } finally {
      await opened.page.close();
      await served.stop();
    }
  };
}
