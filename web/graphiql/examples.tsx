/** The first five minutes: one file per operation in examples/, its title and purpose in the comments on top. */
import { type GraphiQLPlugin, useGraphiQL, useGraphiQLActions } from '@graphiql/react'
import { fill } from './seen'

export interface Example {
  readonly title: string
  readonly about: string
  readonly query: string
  readonly variables: string
}

const documents = import.meta.glob<string>('./examples/*.graphql', { query: '?raw', import: 'default', eager: true })
const variables = import.meta.glob<string>('./examples/*.json', { query: '?raw', import: 'default', eager: true })

export const examples: readonly Example[] = Object.entries(documents).map(([path, source]) => {
  const lines = source.trimEnd().split('\n')
  const start = lines.findIndex((line) => !line.startsWith('#'))
  const [title = '', ...about] = lines.slice(0, start).map((line) => line.replace(/^#\s*/, ''))
  return {
    title,
    about: about.join(' '),
    query: lines.slice(start).join('\n').trimStart(),
    variables: (variables[path.replace(/graphql$/, 'json')] ?? '').trimEnd(),
  }
})

/**
 * A first visit finds the first example, as if it had been left there. GraphiQL's own way, `defaultTabs`, forgets the variables,
 * and opens the tab a second time after a reload.
 */
export function prepareFirstVisit(): void {
  const [first] = examples
  if (!first || localStorage.getItem('graphiql:tabState')) return
  localStorage.setItem('graphiql:query', first.query)
  localStorage.setItem('graphiql:variables', first.variables)
}

export const EXAMPLES_PLUGIN: GraphiQLPlugin = { title: 'Examples', icon: ExamplesIcon, content: Examples }

function Examples() {
  const { addTab, changeTab } = useGraphiQLActions()
  const { tabs, activeTabIndex, queryEditor, variableEditor } = useGraphiQL((state) => ({
    tabs: state.tabs,
    activeTabIndex: state.activeTabIndex,
    queryEditor: state.queryEditor,
    variableEditor: state.variableEditor,
  }))

  /** In the tab that has it already, else in the current one when that is empty, else in a new one. */
  function open({ query, variables }: Example) {
    const place = tabs.findIndex((tab) => tab.query === query)
    if (place < 0) {
      if (queryEditor?.getValue().trim()) addTab()
      queryEditor?.setValue(query)
      variableEditor?.setValue(variables)
    } else if (place !== activeTabIndex) {
      changeTab(place)
    }
    variableEditor?.setValue(fill(variableEditor.getValue()))
    queryEditor?.focus()
  }

  return (
    <section aria-label="Examples" className="palaver-examples">
      <div className="graphiql-doc-explorer-title">Examples</div>
      <p>Open one, then press the play button or Ctrl-Enter.</p>
      <ol>
        {examples.map((example) => (
          <li key={example.title}>
            <button type="button" onClick={() => open(example)}>
              <strong>{example.title}</strong>
              <span>{example.about.split('`').map((words, place) => (place % 2 ? <code key={place}>{words}</code> : words))}</span>
            </button>
          </li>
        ))}
      </ol>
    </section>
  )
}

function ExamplesIcon() {
  return (
    <svg viewBox="0 0 24 24" fill="none" stroke="currentColor" strokeWidth="1.5" strokeLinecap="round" strokeLinejoin="round">
      <path d="M12 3l1.9 5.1L19 10l-5.1 1.9L12 17l-1.9-5.1L5 10l5.1-1.9L12 3ZM19 16v4M17 18h4M5 3v3M3.5 4.5h3" />
    </svg>
  )
}
