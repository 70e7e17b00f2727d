// How the page is built: relative to nothing outside, hashed names, nothing inlined that the content policy would refuse.
import { defineConfig } from 'vite';

export default defineConfig({
  build: {
    target: 'es2022',
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    chunkSizeWarningLimit: 1500,
    rolldownOptions: {
      // The page of the login is a page for itself, which needs no script.
      input: ['index.html', 'login.html'],
      output: {
        // The map is most of the weight and seldom changes: it keeps its name, and stays cached, when the page changes.
        codeSplitting: { groups: [{ name: 'maplibre', test: /node_modules\/(maplibre-gl|@maplibre|@mapbox)/ }] },
      },
    },
  },
  assetsInclude: ['**/*.geojson'],
  // For `npm run dev`: the page from Vite, everything else from a console on its usual door.
  server: { proxy: { '/api': { target: 'http://127.0.0.1:8080', headers: { origin: 'http://127.0.0.1:8080' }, changeOrigin: true } } },
});
