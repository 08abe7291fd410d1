/** Below the response: the answer of a subscription as it grows, or its events one by one. */
import { useGraphiQL, useGraphiQLActions } from '@graphiql/react'
import { useEffect, useRef, useState } from 'react'
import { forgetProgress, type Progress, useProgress } from './progress'

export function Answer() {
  const progress = useProgress()
  const tab = useGraphiQL((state) => state.tabs[state.activeTabIndex]?.id)
  const [showsEvents, setShowsEvents] = useState(false)
  const { stop } = useGraphiQLActions()
  // GraphiQL would let an operation go on and write into whichever tab is opened next.
  useEffect(
    () => () => {
      stop()
      forgetProgress()
    },
    [tab, stop],
  )

  if (!progress) return null
  const listsEvents = showsEvents || (!progress.running && !progress.text)
  return (
    <section className="palaver-answer" aria-label="Streamed answer">
      <header>
        <span className={stateOf(progress)} aria-hidden="true" />
        <span className="palaver-figures">{figures(progress)}</span>
        <button type="button" aria-pressed={!listsEvents} onClick={() => setShowsEvents(false)}>
          Answer
        </button>
        <button type="button" aria-pressed={listsEvents} onClick={() => setShowsEvents(true)}>
          Events
        </button>
      </header>
      {listsEvents ? <Events progress={progress} /> : <Text progress={progress} />}
    </section>
  )
}

function Text({ progress }: { progress: Progress }) {
  const end = useFollowedEnd(progress.count)
  return (
    <div className="palaver-text" ref={end} aria-live="polite">
      {progress.text || <em>Waiting for words…</em>}
    </div>
  )
}

function Events({ progress }: { progress: Progress }) {
  const end = useFollowedEnd(progress.count)
  return (
    <div className="palaver-events" ref={end}>
      {progress.events.map(({ number, afterMilliseconds, line }) => (
        <div key={number}>
          <span>{(afterMilliseconds / 1000).toFixed(2)} s</span>
          <code>{line}</code>
        </div>
      ))}
    </div>
  )
}

/** Stays at the newest line, unless the reader has scrolled up. */
function useFollowedEnd(count: number) {
  const element = useRef<HTMLDivElement>(null)
  const follows = useRef(true)
  useEffect(() => {
    const { current } = element
    if (!current) return undefined
    const note = () => {
      follows.current = current.scrollHeight - current.scrollTop - current.clientHeight < 24
    }
    current.addEventListener('scroll', note, { passive: true })
    return () => current.removeEventListener('scroll', note)
  }, [])
  useEffect(() => {
    if (follows.current) element.current?.scrollTo({ top: element.current.scrollHeight })
  }, [count])
  return element
}

function stateOf({ running, failed }: Progress): string {
  if (running) return 'palaver-light is-running'
  return failed ? 'palaver-light is-failed' : 'palaver-light'
}

function figures({ count, milliseconds, firstAfterMilliseconds }: Progress): string {
  if (firstAfterMilliseconds === null) return 'Waiting for the first event'
  const events = count === 1 ? '1 event' : `${count} events`
  return `${events} in ${(milliseconds / 1000).toFixed(1)} s, the first after ${Math.round(firstAfterMilliseconds)} ms`
}
