/** What has arrived of the running subscription: GraphiQL shows the last event, people want to read the whole answer. */
import { useSyncExternalStore } from 'react'
import type { FormattedExecutionResult } from 'graphql'
import type { Sink } from './fetcher'

const KEPT_EVENTS = 500
const FRAME_MILLISECONDS = 16

interface Event {
  readonly number: number
  readonly afterMilliseconds: number
  readonly line: string
}

export interface Progress {
  readonly running: boolean
  readonly count: number
  /** The texts of all events, joined. */
  readonly text: string
  /** The newest events, oldest first, as one line each. */
  readonly events: readonly Event[]
  readonly failed: boolean
  readonly milliseconds: number
  readonly firstAfterMilliseconds: number | null
}

let progress: Progress | null = null
/** Whose progress is shown; one that was left behind may still have something to say. */
let shown: Sink | null = null
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
  shown = null
  publish(null)
}

/**
 * The same sink, with everything that passes written down. What is drawn is drawn once a frame: events come faster than a
 * screen shows them, and of those that come together GraphiQL would show the last one anyway.
 */
export function watch(sink: Sink): Sink {
  const startedAt = performance.now()
  const since = () => performance.now() - startedAt
  const events: Event[] = []
  let count = 0
  let text = ''
  let running = true
  let failed = false
  let firstAfterMilliseconds: number | null = null
  let newest: Parameters<Sink['next']>[0] | null = null
  let frame: ReturnType<typeof setTimeout> | null = null

  function write(part: FormattedExecutionResult): void {
    count += 1
    text += textOf(part.data)
    failed ||= Boolean(part.errors?.length)
    firstAfterMilliseconds ??= since()
    events.push({ number: count, afterMilliseconds: since(), line: lineOf(part) })
    if (events.length > KEPT_EVENTS) events.shift()
  }

  function draw(): void {
    if (frame) clearTimeout(frame)
    frame = null
    if (shown === sink) publish({ running, count, text, events: [...events], failed, milliseconds: since(), firstAfterMilliseconds })
    if (newest && shown === sink) sink.next(newest)
    newest = null
  }

  shown = sink
  draw()
  return {
    next(result) {
      for (const part of [result].flat()) write(part)
      newest = result
      // A timer and not an animation frame, which would wait until a tab in the background is looked at again.
      frame ??= setTimeout(draw, FRAME_MILLISECONDS)
    },
    error(error) {
      running = false
      failed = true
      draw()
      sink.error(error)
    },
    complete() {
      running = false
      draw()
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
