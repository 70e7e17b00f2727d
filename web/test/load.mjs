// Loads a module of the page as the build would, so that tests need no second compiler.
import { after } from 'node:test';
import { createServer } from 'vite';

const server = await createServer({ server: { middlewareMode: true, ws: false, watch: null }, appType: 'custom', logLevel: 'error', optimizeDeps: { noDiscovery: true } });
after(() => server.close());

export const load = (path) => server.ssrLoadModule(path);
