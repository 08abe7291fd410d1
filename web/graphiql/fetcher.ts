/** How an operation leaves this page: subscriptions over WebSocket, everything else by POST; stopping one ends it at the server. */
import type { Fetcher, FetcherParams } from '@graphiql/toolkit'
import { type FormattedExecutionResult, getOperationAST, parse } from 'graphql'
import { createClient } from 'graphql-ws'
import { meros } from 'meros/browser'
import { authorization } from './key'
import { forgetProgress, watch } from './progress'
import { remember } from './seen'

type Part = FormattedExecutionResult<any, any> // A selection decides its own shape.

export interface Sink {
  next(result: Part | Part[]): void
  error(error: unknown): void
  complete(): void
}

type Headers = Record<string, string>

const address = new URL('graphql', document.baseURI)

export function createFetcher(key: string): Fetcher {
  return (asked, options) => {
    const { request, isSubscription } = examine(asked)
    const headers: Headers = { ...authorization(key), ...options?.headers }
    const send = isSubscription ? subscribe : post
    const observable = {
      subscribe(sink: Sink) {
        const noted = request.operationName === 'IntrospectionQuery' ? sink : note(sink, isSubscription)
        return { unsubscribe: send(request, headers, noted) }
      },
    }
    return observable as ReturnType<Fetcher>
  }
}

/** The same sink; what goes into it is also shown as progress, and gives the next example its ids. */
function note(sink: Sink, isSubscription: boolean): Sink {
  if (!isSubscription) forgetProgress()
  const { next, error, complete } = isSubscription ? watch(sink) : sink
  return {
    next(result) {
      for (const { data } of [result].flat()) remember(data)
      next(result)
    },
    error,
    complete,
  }
}

/** GraphiQL learns the name of the operation a moment after it was typed, so a name of the text before may come along. */
function examine(request: FetcherParams): { request: FetcherParams; isSubscription: boolean } {
  try {
    const document = parse(request.query)
    const named = getOperationAST(document, request.operationName)
    const operation = named ?? getOperationAST(document)
    return {
      request: named ? request : { ...request, operationName: operation?.name?.value ?? null },
      isSubscription: operation?.operation === 'subscription',
    }
  } catch {
    return { request, isSubscription: false } // A syntax error is the server's to explain.
  }
}

function post(request: FetcherParams, headers: Headers, sink: Sink): () => void {
  const abort = new AbortController()
  void send().catch((error: unknown) => {
    if (!abort.signal.aborted) sink.error(error)
  })
  return () => abort.abort()

  async function send(): Promise<void> {
    const response = await fetch(address, {
      method: 'POST',
      body: JSON.stringify(request),
      headers: {
        'content-type': 'application/json',
        accept: 'application/graphql-response+json, application/json;q=0.9, multipart/mixed;q=0.8',
        ...headers,
      },
      signal: abort.signal,
    })
    const parts = await meros<Part>(response, { multiple: true })
    if (parts instanceof Response) sink.next(await read(parts))
    else for await (const batch of parts) sink.next(batch.flatMap((part) => (part.json ? [part.body] : [])))
    sink.complete()
  }
}

async function read(response: Response): Promise<Part> {
  const text = await response.text()
  try {
    return JSON.parse(text) as Part
  } catch {
    throw new Error(`${response.status} ${response.statusText}: ${text.slice(0, 500)}`)
  }
}

function subscribe(request: FetcherParams, headers: Headers, sink: Sink): () => void {
  const client = createClient({
    url: address.href.replace(/^http/, 'ws'),
    connectionParams: headers,
    // A question asked again is a second answer to pay for: a lost connection is reported, not retried.
    retryAttempts: 0,
  })
  const payload = { ...request, operationName: request.operationName ?? null }
  return client.subscribe<any, any>(payload, {
    next: sink.next,
    complete: sink.complete,
    error(error) {
      if (Array.isArray(error)) {
        sink.next({ errors: error })
        sink.complete()
      } else if (error instanceof CloseEvent) {
        sink.error(new Error(`The server closed the connection: ${error.code} ${error.reason}`.trim()))
      } else {
        sink.error(error)
      }
    },
  })
}
