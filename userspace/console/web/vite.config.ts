import { defineConfig } from "vite";

// Everything is a file of its own: the content security policy allows nothing in line.
export default defineConfig({
  esbuild: { jsx: "automatic" },
  build: {
    target: "es2022",
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
  },
});
