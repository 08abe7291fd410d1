import { DOC_EXPLORER_PLUGIN } from '@graphiql/plugin-doc-explorer'
import { explorerPlugin } from '@graphiql/plugin-explorer'
import { HISTORY_PLUGIN } from '@graphiql/plugin-history'
import { GraphiQL } from 'graphiql'
import { useMemo } from 'react'
import { Answer } from './answer'
import { EXAMPLES_PLUGIN } from './examples'
import { createFetcher } from './fetcher'
import { Header } from './header'
import { useKey } from './key'
import { editorTheme } from './themes'

const PLUGINS = [EXAMPLES_PLUGIN, explorerPlugin({ showAttribution: false }), HISTORY_PLUGIN]
// Any JSON fits our JSON scalar; without this the variables editor would underline objects.
const SCALARS = { JSON: {} }

export function Page() {
  const key = useKey()
  const fetcher = useMemo(() => createFetcher(key), [key])

  return (
    <>
      <Header />
      <GraphiQL
        fetcher={fetcher}
        plugins={PLUGINS}
        referencePlugin={DOC_EXPLORER_PLUGIN}
        visiblePlugin={EXAMPLES_PLUGIN}
        defaultQuery=""
        defaultEditorToolsVisibility="variables"
        editorTheme={editorTheme}
        customScalarSchemas={SCALARS}
        inputValueDeprecation
        schemaDescription
      >
        <GraphiQL.Logo>{null}</GraphiQL.Logo>
        <GraphiQL.Footer>
          <Answer />
        </GraphiQL.Footer>
      </GraphiQL>
    </>
  )
}
