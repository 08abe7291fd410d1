/** Monaco's language work happens in workers built from our own bundle and served from our own address. */
import type {} from 'monaco-editor'
import JsonWorker from 'monaco-editor/esm/vs/language/json/json.worker.js?worker'
import EditorWorker from 'monaco-editor/esm/vs/editor/editor.worker.js?worker'
import GraphqlWorker from 'monaco-graphql/esm/graphql.worker.js?worker'

window.MonacoEnvironment = {
  getWorker(_id: string, label: string) {
    if (label === 'graphql') return new GraphqlWorker()
    if (label === 'json') return new JsonWorker()
    return new EditorWorker()
  },
}
