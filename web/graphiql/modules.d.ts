// Monaco publishes no types for these entry points.
declare module 'monaco-graphql/esm/monaco-editor.js' {
  export * from 'monaco-editor'
}
