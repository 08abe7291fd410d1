import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { brotliCompressSync, constants, gzipSync } from 'node:zlib'
import { defineConfig, type Plugin } from 'vite'

export default defineConfig({
  // Relative addresses: the pages work below any path a proxy puts them under.
  base: './',
  build: {
    target: 'es2022',
    // Nothing becomes a data: address, so the content security policy needs to allow none for fonts.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
    chunkSizeWarningLimit: 4000,
    rolldownOptions: {
      input: ['index.html', 'graphiql.html'],
      // "use client" in the dependencies speaks to server-side frameworks.
      onwarn: (warning, warn) => warning.code === 'MODULE_LEVEL_DIRECTIVE' || warn(warning),
    },
  },
  worker: { format: 'es' },
  plugins: [precompress()],
  server: { proxy: { '/graphql': { target: 'http://127.0.0.1:8000', ws: true } } },
})

/** Compressed once here, so that the server never compresses. */
function precompress(): Plugin {
  return {
    name: 'precompress',
    apply: 'build',
    writeBundle({ dir = 'dist' }) {
      for (const name of readdirSync(join(dir, 'assets'))) {
        if (!/\.(js|css|svg|ttf)$/.test(name)) continue
        const path = join(dir, 'assets', name)
        const content = readFileSync(path)
        const brotli = { params: { [constants.BROTLI_PARAM_QUALITY]: 9, [constants.BROTLI_PARAM_SIZE_HINT]: content.length } }
        writeFileSync(`${path}.br`, brotliCompressSync(content, brotli))
        writeFileSync(`${path}.gz`, gzipSync(content, { level: 9 }))
      }
    },
  }
}
