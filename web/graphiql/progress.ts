/** What has arrived of the running subscription: GraphiQL shows the last event, people want to read the whole answer. */
import { useSyncExternalStore } from 'react'
import type { FormattedExecutionResult } from 'graphql'
import type { Sink } from './fetcher'

const KEPT_EVENTS = 500

export interface Progress {
  readonly running: boolean
  readonly count: number
  /** The texts of all events, joined. */
  readonly text: string
  /** The newest events, oldest first, as one line each. */
  readonly events: readonly { readonly number: number; readonly afterMilliseconds: number; readonly line: string }[]
  readonly failed: boolean
  readonly milliseconds: number
  readonly firstAfterMilliseconds: number | null
}

let progress: Progress | null = null
const listeners = new Set<() => void>()

export function useProgress(): Progress | null {
  return useSyncExternalStore(
    (listener) => {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
    () => progress,
  )
}

export function forgetProgress(): void {
  publish(null)
}

/** The same sink, with everything that passes written down. */
export function watch(sink: Sink): Sink {
  const startedAt = performance.now()
  const since = () => performance.now() - startedAt
  let mine: Progress = {
    running: true, count: 0, text: '', events: [], failed: false, milliseconds: 0, firstAfterMilliseconds: null,
  }
  const note = (change: Partial<Progress>) => publish((mine = { ...mine, milliseconds: since(), ...change }))

  publish(mine)
  return {
    next(result) {
      for (const part of Array.isArray(result) ? result : [result]) {
        const event = { number: mine.count + 1, afterMilliseconds: since(), line: lineOf(part) }
        note({
          count: mine.count + 1,
          text: mine.text + textOf(part.data),
          events: [...mine.events.slice(1 - KEPT_EVENTS), event],
          failed: mine.failed || Boolean(part.errors?.length),
          firstAfterMilliseconds: mine.firstAfterMilliseconds ?? since(),
        })
      }
      sink.next(result)
    },
    error(error) {
      note({ running: false, failed: true })
      sink.error(error)
    },
    complete() {
      note({ running: false })
      sink.complete()
    },
  }
}

function lineOf({ data, errors }: FormattedExecutionResult): string {
  const events = Object.values(data ?? {})
  return JSON.stringify(errors ? { data, errors } : events.length === 1 ? events[0] : data)
}

/** Whatever the answer's event is called in this document, it has one root field, and added text is its `text`. */
function textOf(data: Record<string, unknown> | null | undefined): string {
  const [event] = Object.values(data ?? {})
  if (typeof event !== 'object' || event === null || !('text' in event) || typeof event.text !== 'string') return ''
  return '__typename' in event && event.__typename === 'ReasoningAdded' ? '' : event.text
}

function publish(next: Progress | null): void {
  progress = next
  for (const listener of listeners) listener()
}
