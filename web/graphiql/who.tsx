/** Beside the key: whom the server takes us for with it. */
import { useEffect, useState } from 'react'
import { authorization, useKey } from './key'

interface Principal {
  kind: string
  workspace: { name: string }
}

type Known = { principal: Principal } | { problem: string } | null

const WAYS_IN: Record<string, string> = { LOCAL: 'from this machine', ANONYMOUS: 'without a key' }

export function Who() {
  const key = useKey()
  const [known, setKnown] = useState<Known>(null)

  useEffect(() => {
    const abort = new AbortController()
    ask(key, abort.signal).then(setKnown, (error: unknown) => abort.signal.aborted || setKnown({ problem: String(error) }))
    return () => abort.abort()
  }, [key])

  if (!known) return null
  if ('problem' in known) return <span className="palaver-who is-refused">{known.problem}</span>
  const { kind, workspace } = known.principal
  return (
    <span className="palaver-who">
      <strong>{workspace.name}</strong> · {WAYS_IN[kind] ?? `with a key of kind ${kind}`}
    </span>
  )
}

async function ask(key: string, signal: AbortSignal): Promise<Known> {
  const response = await fetch('graphql', {
    method: 'POST',
    headers: { 'content-type': 'application/json', accept: 'application/json', ...authorization(key) },
    body: JSON.stringify({ query: '{ me { kind workspace { name } } }' }),
    signal,
  })
  const { data, errors } = (await response.json()) as { data?: { me: Principal }; errors?: { message: string }[] }
  return data?.me ? { principal: data.me } : { problem: errors?.[0]?.message ?? response.statusText }
}
